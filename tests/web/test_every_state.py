"""Every page in every state: nothing for axe to find, nor for who zooms, spaces text, tabs or sees no colour."""

import re
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from flask import Flask
from jinja2 import FileSystemBytecodeCache
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import BrowserContext, Page
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session
from werkzeug.routing import Map

from keymgr.people.first_admin import make_setup_token
from keymgr.store.engine import connect
from keymgr.store.keys import Credential, Key
from keymgr.store.people import Person, SignInSession
from keymgr.store.policies import PolicyHead
from tests.databases import fresh_file
from tests.web.browsing import Watched, serving
from tests.web.conftest import Template
from tests.web.house import Browser, address_of, make_app, put_in_force
from tests.web.looking import look_at
from tests.web.states import LONG, STATES, State
from tests.web.test_census import lines
from tests.web.test_key_list import multiply
from tests.web.test_key_page_browser import use
from tests.web.test_policy import LONGER, add, failed_attempt, out_of_policy

PASSWORD = "four words in a row"
SEND = """([path, fields]) => {
  const form = document.createElement('form');
  const token = document.querySelector('[name=csrf_token]')?.value ?? '';
  Object.entries({csrf_token: token, ...fields}).forEach(([name, values]) => [values].flat().forEach((value) => {
    form.append(Object.assign(document.createElement('input'), {type: 'hidden', name, value}));
  }));
  document.body.append(Object.assign(form, {method: 'post', action: path}));
  form.submit();
}"""
WATCH_SWAPS = "document.addEventListener('htmx:afterSettle', () => { document.documentElement.dataset.swapped = ''; })"
LOST = "() => document.documentElement.matches('[data-swapped]') && document.activeElement === document.body"
# What of the census is no page: data, files, doors of machines, and forms that send the browser on.
NO_PAGES = re.compile(
    r"/api/|/\.well-known/|/assets/|/gateway/|/healthz|/readyz|/status-lists/|\.csv$|/keys/env$|/audit/export$"
)
SENDS_ON = {
    "GET /keys/bulk/done",
    "POST /logout",
    "POST /me/sessions/<handle>/end",
    "POST /me/sign-out-everywhere",
    "POST /me/theme",
    "POST /policy/overrides/<override_id>/lift",
    "POST /admin/people/<name>/sign-out",
    "POST /admin/service-credentials/<credential>/revoke",
    "POST /admin/signing-keys/<kid>/retire",
}


def rule_of(urls: Map, method: str, path: str) -> str:
    """Name the route that a path leads to."""
    bound = urls.bind("localhost")
    rule, _ = bound.match(urlsplit(path).path, method=method, return_rule=True)
    return f"{method} {rule.rule}"


def test_every_route_that_answers_with_a_page_is_looked_at(app: Flask) -> None:
    ids = dict.fromkeys(re.findall(r"\{(\w+)\}", str(STATES)), "x")
    looked_at = set()
    for state in (state for states in STATES.values() for state in states):
        if state.status not in {404, 405}:
            method, path = ("POST", state.sends[0]) if state.sends else ("GET", state.path)
            looked_at.add(rule_of(app.url_map, method, path.format(**ids)))
    pages = {f"{method} {rule}" for method, rule in lines() if not NO_PAGES.search(rule)}
    assert pages - SENDS_ON - looked_at == set()


def test_every_state_has_a_name_of_its_own() -> None:
    names = [state.name for states in STATES.values() for state in states]
    assert sorted(set(names)) == sorted(names)


@dataclass
class Portal:
    """One portal on a port of its own; `ids` are those that paths may name."""

    app: Flask
    base: str
    ids: dict[str, str] = field(default_factory=dict)


Build = Callable[[Path, str], tuple[Flask, dict[str, str]]]


class Portals:
    """Portals in the conditions that states ask for, each made when it is first asked for."""

    def __init__(self, lived_in: Template, migrated: Path, folder: Path, cache: FileSystemBytecodeCache) -> None:
        self._lived_in, self._migrated, self._folder, self._cache = lived_in, migrated, folder, cache
        self._open: dict[str, Portal] = {}
        self._stack = ExitStack()

    def __getitem__(self, name: str) -> Portal:
        if name not in self._open:
            folder = self._folder / name
            folder.mkdir()
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
            base = f"http://127.0.0.1:{port}"
            build: Build = getattr(self, f"_{name}")
            app, ids = build(folder, base)
            app.jinja_env.bytecode_cache = self._cache
            self._stack.enter_context(serving(app, port))
            self._stack.callback(app.extensions["keymgr.api"].close)
            self._open[name] = Portal(app, base, ids)
        return self._open[name]

    def close(self) -> None:
        self._stack.close()

    def _full(self, folder: Path, base: str) -> tuple[Flask, dict[str, str]]:
        """Everything at once: use, drift, failed runs, two revisions, an override, long names, and pages of keys."""
        url = fresh_file(self._lived_in.file, folder)
        put_in_force(url, change=LONGER)
        app, seeded = make_app(url, folder, KEYMGR_PUBLIC_URL=base), self._lived_in.seeded
        use(app, seeded)
        multiply(app, seeded.expiring, 57)
        engine = connect(url)
        with Session(engine) as session, session.begin():
            copies = sorted(session.scalars(select(Key.id).where(Key.name.startswith("copy"))))
            session.execute(update(Key).where(Key.id.in_(copies)).values(owner="user:dana"))
            for key_id, name in zip(copies[-2:], (LONG, "swept away"), strict=True):
                session.execute(update(Key).where(Key.id == key_id).values(owner="user:ben", name=name))
            # An hour of grace is left, so that there is something to extend.
            retiring = update(Credential).where(Credential.key_id == seeded.grace, Credential.retires_at.is_not(None))
            session.execute(retiring.values(retires_at=datetime.now(UTC) + timedelta(hours=1)))
        engine.dispose()
        add(app, failed_attempt(), out_of_policy(seeded.grace))
        ada = Browser(app)
        ada.enter("ada")
        ada.get("/policy/overrides")
        ada.post("/policy/overrides", {"target": "team:shipping", "reason": "A drill.", "hours": "24"})
        return app, {**asdict(seeded), "long": copies[-2], "spare": copies[-1]}

    def _plain(self, folder: Path, base: str) -> tuple[Flask, dict[str, str]]:
        """No demo, and issuing switched off."""
        url = fresh_file(self._lived_in.file, folder)
        engine = connect(url)
        with Session(engine) as session, session.begin():
            session.execute(update(Person).values(sample=False))
        engine.dispose()
        settings = {"KEYMGR_DEMO": "false", "KEYMGR_ISSUING_ENABLED": "false"}
        return make_app(url, folder, KEYMGR_PUBLIC_URL=base, **settings), asdict(self._lived_in.seeded)

    def _bare(self, folder: Path, base: str) -> tuple[Flask, dict[str, str]]:
        """Keys, but no policy in force."""
        url = fresh_file(self._lived_in.file, folder)
        engine = connect(url)
        with Session(engine) as session, session.begin():
            session.execute(delete(PolicyHead))
            session.execute(update(Person).where(Person.name == "ada").values(bootstrap_admin=True))
        engine.dispose()
        return make_app(url, folder, KEYMGR_PUBLIC_URL=base), asdict(self._lived_in.seeded)

    def _new(self, folder: Path, base: str) -> tuple[Flask, dict[str, str]]:
        """Nothing at all."""
        url = fresh_file(self._migrated, folder)
        settings = {"KEYMGR_DEMO": "false", "KEYMGR_POLICIES": str(folder / "policies")}
        make_code(url)
        return make_app(url, folder, KEYMGR_PUBLIC_URL=base, **settings), {}


def make_code(url: str) -> str:
    """Make the code that the set-up asks for."""
    engine = connect(url)
    with Session(engine) as session, session.begin():
        token = make_setup_token(session, datetime.now(UTC))
    engine.dispose()
    return token or ""


def found_first_admin(app: Flask, browser: Browser) -> None:
    """Become the first admin of an empty install."""
    token = make_code(address_of(app))
    browser.get("/setup")
    browser.post("/setup", {"token": token, "display_name": "Root", "name": "root", "password": PASSWORD})
    browser.enter("root")


def grow_old(app: Flask, browser: Browser) -> None:
    """Sign in as an admin, longer ago than a secret is shown for."""
    browser.enter("ada")
    engine = connect(address_of(app))
    with Session(engine) as session, session.begin():
        newest = select(SignInSession).order_by(SignInSession.signed_in_at.desc()).limit(1)
        session.scalars(newest).one().signed_in_at = datetime.now(UTC) - timedelta(minutes=16)
    engine.dispose()


def sign_in(portal: Portal, who: str) -> str:
    """Sign somebody in without a form; return the cookie."""
    browser = Browser(portal.app)
    if who == "root":
        found_first_admin(portal.app, browser)
    elif who == "old":
        grow_old(portal.app, browser)
    else:
        browser.enter(who)
    cookie = browser.client.get_cookie("keymgr")
    assert cookie
    return str(cookie.value)


@pytest.fixture(scope="module")
def portals(
    lived_in: Template,
    migrated_file: Path,
    tmp_path_factory: pytest.TempPathFactory,
    compiled_templates: FileSystemBytecodeCache,
) -> Iterator[Portals]:
    made = Portals(lived_in, migrated_file, tmp_path_factory.mktemp("states"), compiled_templates)
    yield made
    made.close()


class Visits:
    """One browser window for each person in each portal."""

    def __init__(self, chromium: Chromium, portals: Portals) -> None:
        self._chromium, self._portals = chromium, portals
        self._windows: dict[tuple[str, str], Watched] = {}

    def window(self, state: State) -> Watched:
        place = (state.on, state.who)
        if place not in self._windows:
            portal = self._portals[state.on]
            context: BrowserContext = self._chromium.new_context(reduced_motion="reduce")
            context.set_default_timeout(20_000)
            if state.who:
                context.add_cookies([{"name": "keymgr", "value": sign_in(portal, state.who), "url": portal.base}])
            page = context.new_page()
            page.on("dialog", lambda dialog: dialog.accept())
            self._windows[place] = Watched(page, portal.base)
        return self._windows[place]

    def close(self) -> list[str]:
        for window in self._windows.values():
            window.page.context.close()
        return [fault for window in self._windows.values() for fault in window.faults]


@pytest.mark.parametrize("group", STATES)
def test_no_page_in_any_state_has_anything_to_find(chromium: Chromium, portals: Portals, group: str) -> None:
    visits = Visits(chromium, portals)
    found = []
    for state in STATES[group]:
        window = visits.window(state)
        found += [f"{state.name}: {said}" for said in [*come(window, state, portals[state.on]), *look_at(window.page)]]
    found += visits.close()
    assert not found, "\n".join(found)


def come(window: Watched, state: State, portal: Portal) -> Iterator[str]:
    """Come to where the state is; say what was not as it should be on the way."""
    page = window.page
    answer = page.goto(window.base + state.path.format(**portal.ids))
    if state.sends:
        path, fields = state.sends
        with page.expect_navigation() as leaving:
            page.evaluate(SEND, [path.format(**portal.ids), named(fields, portal.ids)])
        answer = leaving.value
    if answer is None or answer.status != state.status:
        yield f"answered {answer and answer.status}, not {state.status}"
    yield from walk(page, state)


def named(fields: object, ids: dict[str, str]) -> dict[str, object]:
    """Put ids where the fields of a form name them."""
    assert isinstance(fields, dict)
    return {name: value.format(**ids) if isinstance(value, str) else value for name, value in fields.items()}


def walk(page: Page, state: State) -> Iterator[str]:
    """Do what leads to the state; where a part was replaced, the focus must be somewhere."""
    page.evaluate(WATCH_SWAPS)
    for step in state.steps:
        step(page)
    if state.is_swap:
        page.locator("html[data-swapped]").wait_for()
    if page.evaluate(LOST):
        yield "the focus is lost"
