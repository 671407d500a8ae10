"""Flow 10: the signing key is rolled in the admin pages, and nobody who calls meanwhile is refused."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from joserfc import jwt
from joserfc.jwk import KeySet
from playwright.sync_api import Page, expect

from tests.flows.demo import Answer, Demo, ask
from tests.flows.office import Entered, Office

WISH = "service=payments&environment=dev&scope=charges:read"


class Caller:
    """Somebody who calls the sample service without a pause, with every key there is."""

    def __init__(self, demo: Demo) -> None:
        self.refused: list[Answer] = []
        self._demo = demo
        self._called: dict[str, threading.Event] = {}
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._call)

    def _call(self) -> None:
        while not self._stopped.is_set():
            for token, called in tuple(self._called.items()):
                answer = ask(self._demo.sample, "/charges", token=token)
                self.refused += [] if answer.status == 200 else [answer]
                called.set()

    def take(self, token: str) -> None:
        """Use this key as well from now on; it has been used once when this returns."""
        called = self._called.setdefault(token, threading.Event())
        called.clear()
        assert called.wait(30)

    @contextmanager
    def calling(self) -> Iterator[None]:
        """Call as long as the block runs."""
        self._thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            self._thread.join()


def published(demo: Demo) -> KeySet:
    return KeySet.import_key_set(json.loads(ask(demo.portal, "/.well-known/jwks.json").body))


def signer_of(token: str, keys: KeySet) -> str:
    """Verify as somebody does who only fetches the published keys; return which of them signed."""
    return str(jwt.decode(token, keys, algorithms=["ES256"]).header["kid"])


def roll(ada: Page, demo: Demo) -> None:
    ada.goto(f"{demo.portal}/admin/signing-keys")
    ada.get_by_role("button", name="Roll now").click()
    expect(ada.get_by_role("alert")).to_contain_text("Type roll to go on.")
    ada.get_by_label("Type roll to confirm").fill("roll")
    ada.get_by_role("button", name="Roll now").click()
    expect(ada.get_by_role("main")).to_contain_text("signs from now on")


def test_nobody_is_refused_while_the_signing_key_is_rolled(office: Office, enter: Entered) -> None:
    ben, ada = enter("ben"), enter("ada")
    old = office.issue(ben, f"before {id(enter)}", WISH)
    fetched_before = published(office.demo)
    caller = Caller(office.demo)
    with caller.calling():
        caller.take(old)
        roll(ada, office.demo)
        expect(ada.get_by_role("listitem").filter(has_text="Retiring").first).to_be_visible()
        new = office.issue(ben, f"after {id(enter)}", WISH)
        caller.take(new)
        caller.take(old)
    assert caller.refused == []
    # Who fetches the keys rarely knew the next one before it signed; who fetches them now still finds the old one.
    assert signer_of(new, fetched_before) != signer_of(old, fetched_before)
    assert signer_of(old, published(office.demo)) == signer_of(old, fetched_before)
