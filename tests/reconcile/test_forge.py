"""Deliveries of the forge: every signature good, bad, missing and replayed; a genuine one makes the clock fetch."""

import base64
import hashlib
import hmac
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from keymgr.reconcile.forge import KEPT, ForgeKind, Hook, accept, forget_deliveries, genuine
from keymgr.reconcile.pull_due import begin_fetch, hint, is_due, postpone
from keymgr.store.policies import ForgeDelivery

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
SECRET = "a long secret that both sides know"
KEY = b"0123456789abcdef0123456789abcdef"
TOKEN = "whsec_" + base64.b64encode(KEY).decode()
BODY = b'{"ref": "refs/heads/main", "after": "0000"}'
REENCODED = b'{"ref":"refs/heads/main","after":"0000"}'
Headers = dict[str, str]


def of_github(body: bytes, secret: str = SECRET) -> Headers:
    mac = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"x-hub-signature-256": f"sha256={mac}", "x-github-delivery": "72d3162e", "x-github-event": "push"}


def of_gitea(body: bytes, secret: str = SECRET) -> Headers:
    mac = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"x-gitea-signature": mac, "x-gitea-delivery": "f6266f16"}


def of_gitlab(body: bytes, token: str = TOKEN, *, at: datetime = NOW, name: str = "msg_1") -> Headers:
    moment = str(int(at.timestamp()))
    key = base64.b64decode(token.removeprefix("whsec_"))
    mac = hmac.digest(key, f"{name}.{moment}.".encode() + body, "sha256")
    signature = f"v1,{base64.b64encode(mac).decode()}"
    return {"webhook-id": name, "webhook-timestamp": moment, "webhook-signature": signature}


def of_old_gitlab(_body: bytes, secret: str = SECRET) -> Headers:
    return {"x-gitlab-token": secret, "webhook-id": "old_1"}


FORMS: dict[str, tuple[Hook, Callable[..., Headers]]] = {
    "github": (Hook(ForgeKind.GITHUB, SECRET), of_github),
    "gitea": (Hook(ForgeKind.GITEA, SECRET), of_gitea),
    "gitlab": (Hook(ForgeKind.GITLAB, TOKEN), of_gitlab),
    "old-gitlab": (Hook(ForgeKind.GITLAB, SECRET), of_old_gitlab),
}
SIGNED = [name for name in FORMS if name != "old-gitlab"]


@pytest.mark.parametrize("form", FORMS)
def test_a_genuine_delivery_has_a_name_and_its_content(form: str) -> None:
    hook, sign = FORMS[form]
    names = genuine(hook, sign(BODY), BODY, NOW)
    assert len(names) == 2
    assert names[1].endswith(hashlib.sha256(BODY).hexdigest())


def test_forgejo_signs_as_gitea_does() -> None:
    hook, sign = FORMS["gitea"]
    headers = {"x-forgejo-signature": sign(BODY)["x-gitea-signature"]}
    assert genuine(hook, headers, BODY, NOW)


@pytest.mark.parametrize("form", FORMS)
def test_without_a_signature_nothing_is_genuine(form: str) -> None:
    assert genuine(FORMS[form][0], {}, BODY, NOW) == ()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("secret", ["another secret of good length", "", "\N{SNOWMAN}" * 20])
def test_another_secret_signs_nothing_genuine(form: str, secret: str) -> None:
    hook, sign = FORMS[form]
    other = f"whsec_{base64.b64encode(secret.encode()).decode()}" if form == "gitlab" else secret
    assert genuine(hook, sign(BODY, other), BODY, NOW) == ()


@pytest.mark.parametrize("form", SIGNED)
@pytest.mark.parametrize("changed", [REENCODED, BODY + b"\n", BODY[:-1], b"", BODY.replace(b"main", b"evil")])
def test_the_bytes_count_as_they_came(form: str, changed: bytes) -> None:
    hook, sign = FORMS[form]
    assert genuine(hook, sign(BODY), changed, NOW) == ()


@pytest.mark.parametrize("form", SIGNED)
def test_any_flipped_character_of_a_signature_is_seen(form: str) -> None:
    hook, sign = FORMS[form]
    good = sign(BODY)
    [name] = [name for name in good if "signature" in name]
    for place in range(len(good[name])):
        other = "0" if good[name][place] != "0" else "1"
        flipped = good[name][:place] + other + good[name][place + 1 :]
        assert genuine(hook, {**good, name: flipped}, BODY, NOW) == (), flipped


@pytest.mark.parametrize("form", FORMS)
def test_the_signature_of_another_forge_is_none(form: str) -> None:
    hook, _ = FORMS[form]
    others = [sign(BODY) for name, (_, sign) in FORMS.items() if name != form and name[-6:] != form[-6:]]
    assert others
    assert all(genuine(hook, headers, BODY, NOW) == () for headers in others)


@pytest.mark.parametrize("form", FORMS)
def test_odd_headers_are_no_signature_and_no_crash(form: str) -> None:
    hook, sign = FORMS[form]
    for odd in ("", "sha256=", "sha1=00", "v1,", "v2,AAAA", "\udcff", "\xff" * 300, "v1,==== v1,"):
        headers = {name: odd if "signature" in name or "token" in name else value for name, value in sign(BODY).items()}
        assert genuine(hook, headers, BODY, NOW) == ()


@pytest.mark.parametrize("minutes", [-6, 6, 60 * 24 * 365])
def test_a_gitlab_signature_is_good_for_five_minutes(minutes: int) -> None:
    hook, sign = FORMS["gitlab"]
    at = NOW + timedelta(minutes=minutes)
    assert genuine(hook, of_gitlab(BODY, at=at), BODY, NOW) == ()
    assert genuine(hook, sign(BODY), BODY, NOW + timedelta(minutes=4))


@pytest.mark.parametrize("moment", ["", "now", "-1", "1e9", "9" * 30, "\N{ARABIC-INDIC DIGIT ONE}"])
def test_a_gitlab_time_is_a_number(moment: str) -> None:
    hook, sign = FORMS["gitlab"]
    assert genuine(hook, {**sign(BODY), "webhook-timestamp": moment}, BODY, NOW) == ()


def test_one_of_several_gitlab_signatures_is_enough() -> None:
    hook, sign = FORMS["gitlab"]
    headers = sign(BODY)
    assert genuine(hook, {**headers, "webhook-signature": f"v1,AAAA {headers['webhook-signature']}"}, BODY, NOW)


def test_a_hook_without_a_secret_cannot_be() -> None:
    with pytest.raises(ValueError, match="would believe anybody"):
        Hook(ForgeKind.GITHUB, "")


def test_a_token_that_is_no_base64_is_no_signing_token() -> None:
    with pytest.raises(ValueError, match="signing token"):
        genuine(Hook(ForgeKind.GITLAB, "whsec_!!"), of_gitlab(BODY), BODY, NOW)


def test_a_delivery_counts_once(session: Session) -> None:
    names = genuine(*FORMS["github"][:1], of_github(BODY), BODY, NOW)
    begin_fetch(session, NOW, 600)
    assert accept(session, names, NOW)
    assert is_due(session, NOW)
    begin_fetch(session, NOW, 600)
    assert not accept(session, names, NOW)
    assert not is_due(session, NOW)


def test_a_copy_under_another_name_is_known_by_its_content(session: Session) -> None:
    hook = FORMS["github"][0]
    assert accept(session, genuine(hook, of_github(BODY), BODY, NOW), NOW)
    copied = {**of_github(BODY), "x-github-delivery": "another"}
    assert not accept(session, genuine(hook, copied, BODY, NOW), NOW)


def test_another_content_under_a_known_name_does_nothing_either(session: Session) -> None:
    hook = FORMS["github"][0]
    assert accept(session, genuine(hook, of_github(BODY), BODY, NOW), NOW)
    assert not accept(session, genuine(hook, of_github(REENCODED), REENCODED, NOW), NOW)


def test_what_was_seen_is_remembered_for_a_day(session: Session) -> None:
    assert accept(session, ("github:id:1", "github:sha256:1"), NOW)
    forget_deliveries(session, NOW + KEPT)
    assert session.scalar(select(func.count()).select_from(ForgeDelivery)) == 2
    forget_deliveries(session, NOW + KEPT + timedelta(seconds=1))
    assert session.scalar(select(func.count()).select_from(ForgeDelivery)) == 0


def test_of_many_copies_at_once_one_counts(engine: Engine) -> None:
    counted: list[bool] = []

    def deliver() -> None:
        with Session(engine) as session, session.begin():
            counted.append(accept(session, ("github:id:7", "github:sha256:7"), NOW))

    threads = [threading.Thread(target=deliver) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(counted) == [False] * 7 + [True]


def test_nothing_was_ever_fetched_means_now(session: Session) -> None:
    assert is_due(session, NOW)


def test_a_hint_during_a_fetch_causes_another(session: Session) -> None:
    planned = begin_fetch(session, NOW, 600)
    assert not is_due(session, NOW + timedelta(seconds=599))
    hint(session, NOW + timedelta(seconds=5))
    hint(session, NOW + timedelta(seconds=6))
    postpone(session, planned, NOW + timedelta(hours=1))
    assert is_due(session, NOW + timedelta(seconds=6))


def test_a_fetch_that_failed_is_put_off(session: Session) -> None:
    planned = begin_fetch(session, NOW, 600)
    postpone(session, planned, NOW + timedelta(hours=1))
    assert not is_due(session, NOW + timedelta(minutes=59))
    assert is_due(session, NOW + timedelta(hours=1))
