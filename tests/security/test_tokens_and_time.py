"""What a token is good for: one installation, one service, one credential, and no longer than its time."""

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from keymgr.keys.due import tick
from keymgr.keys.outcomes import Issued
from keymgr.keys.revoke import RevokeReason, revoke
from keymgr.keys.rotate import rotate
from keymgr.keys.signing_keys import ensure_active
from keymgr.keys.verdict import Question
from keymgr.keys.verify import Verifier
from keymgr.policy.model import TokenForm
from keymgr.store.keys import Credential, Key, SigningKey
from keymgr.tokens.opaque import render
from keymgr.tokens.signed import sign
from keymgr.tokens.signing import Algorithm, from_bytes
from keymgr.tokens.status_list import encode, wrap_status_list
from keymgr.tokens.verdicts import VerdictCode
from keymgr.tokens.wrap import wrap
from tests.keys.house import ANA, ANAS, ANAS_BROWSER, ISSUER, LEVEL, NO_FACTS, OPAQUE, STAGING, Counter
from tests.keys.verifying import Verifying, asked, open_counters, open_shop

CODE = VerdictCode
DAY = timedelta(days=1)


@pytest.fixture
def verifying(engine: Engine, now: datetime, tmp_path: Path) -> Iterator[Verifying]:
    counters = open_counters(tmp_path / "counters.db")
    yield Verifying(engine, now, counters)
    counters.close()


@pytest.fixture
def verifier(verifying: Verifying) -> Verifier:
    return verifying.open()


def of(issued: Issued) -> Question:
    return Question(issued.token, issued.service)


def rotated(counter: Counter, issued: Issued, *, now: datetime, overlap_seconds: int | None = None) -> Issued:
    outcome = rotate(
        counter.session, counter.in_force, key_id=issued.key_id, asker=ANA, actor=ANAS_BROWSER, rights=ANAS,
        evidence=NO_FACTS, overlap_seconds=overlap_seconds, submit=None, issuer=counter.issuer, now=now,
    )  # fmt: skip
    assert isinstance(outcome, Issued), outcome
    counter.session.commit()
    return outcome


@pytest.mark.parametrize("form", list(TokenForm))
def test_a_rotation_to_another_form_leaves_the_old_secret_its_overlap(
    verifier: Verifier, counter: Counter, now: datetime, form: TokenForm
) -> None:
    other = TokenForm.OPAQUE if form is TokenForm.JWT else TokenForm.JWT
    before = replace(counter, issuer=replace(ISSUER, token_form=form))
    old = before.issue(STAGING)
    at = now + timedelta(hours=1)
    new = rotated(replace(counter, issuer=replace(ISSUER, token_form=other)), old, now=at)
    assert new.token.startswith("km_") is (other is TokenForm.OPAQUE)
    assert verifier.verify(of(old), at).valid
    assert verifier.verify(of(new), at).valid
    assert verifier.verify(of(old), at + 2 * DAY).code is CODE.KEY_SUPERSEDED
    assert verifier.verify(of(new), at + 2 * DAY).valid


def dumped_signing_key(session: Session) -> tuple[str, bytes]:
    """What somebody has who took the database and the key-encryption key, but not the pepper."""
    row = session.scalars(select(SigningKey).where(SigningKey.state == "active")).one()
    return row.algorithm, ISSUER.vault.unseal(row.kek_id, row.sealed, row=f"signing_key:{row.kid}")


def test_the_database_and_its_signing_key_do_not_make_an_issued_token_again(
    verifier: Verifier, session: Session, now: datetime
) -> None:
    shop = open_shop(session, now)
    given = shop.key()
    algorithm, private = dumped_signing_key(session)
    stolen = from_bytes(Algorithm(algorithm), private)
    digest = session.scalars(select(Credential.secret_digest).where(Credential.id == given.credential_id)).one()
    session.commit()
    assert verifier.verify(asked(wrap(given.claims, stolen)), now).valid  # The whole token is what was stolen here.
    in_the_dump = [digest.hex(), base64.urlsafe_b64encode(digest).decode().rstrip("="), given.credential_id, "x"]
    for secret in (None, *in_the_dump):
        forged = wrap(replace(given.claims, secret=secret), stolen)
        assert verifier.verify(asked(forged), now).code is CODE.KEY_INVALID
    for text in in_the_dump[1:2]:
        assert verifier.verify(asked(render("prod", given.credential_id, text)), now).code is CODE.KEY_INVALID


def test_with_a_stolen_signing_key_ones_own_token_grows_neither_wider_nor_older(
    verifier: Verifier, session: Session, now: datetime
) -> None:
    shop = open_shop(session, now)
    given = shop.key(scopes=["charges:read"])
    grown = shop.resigned(given, scopes=frozenset({"charges:read", "refunds:write"}), expires_at=2**40)
    question = asked(grown, scopes=frozenset({"refunds:write"}))
    assert verifier.verify(question, now).code is CODE.SCOPE_MISSING
    assert verifier.verify(asked(grown), now + 2 * DAY).code is CODE.KEY_EXPIRED


def test_ones_own_secret_is_no_good_in_a_token_for_another_credential(
    verifier: Verifier, session: Session, now: datetime
) -> None:
    shop = open_shop(session, now)
    mine, other = shop.key(), shop.key(owner="svc:pay-ci")
    mixed = shop.resigned(other, secret=mine.secret)
    assert verifier.verify(asked(mixed), now).code is CODE.KEY_INVALID


@pytest.mark.parametrize(
    "issuer",
    [
        "https://keys.example.org.evil",
        "https://keys.example.org/",
        "https://keys.example.or",
        "HTTPS://keys.example.org",
        "http://keys.example.org",
        " https://keys.example.org",
        "https://keys.example.org,https://evil",
    ],
)
def test_a_token_of_another_issuer_is_never_one_of_ours(
    verifier: Verifier, session: Session, now: datetime, issuer: str
) -> None:
    shop = open_shop(session, now)
    assert verifier.verify(asked(shop.resigned(shop.key(), issuer=issuer)), now).code is CODE.KEY_INVALID


def test_a_list_of_issuers_or_audiences_is_no_issuer_and_no_audience(
    verifier: Verifier, session: Session, now: datetime
) -> None:
    shop = open_shop(session, now)
    given = shop.key()
    payload = json.loads(base64.urlsafe_b64decode(given.token.split(".")[1] + "=="))
    signing_key = ensure_active(session, ISSUER, now)
    for change in ({"iss": [ISSUER.url]}, {"aud": ["payments-api"]}, {"aud": "payments-api evil"}):
        token = sign({**payload, **change}, typ="at+jwt", key=signing_key)
        assert not verifier.verify(asked(token), now).valid


@pytest.mark.parametrize("typ", ["JWT", "jwt", "AT+JWT", "application/at+jwt", "statuslist+jwt", "id+jwt", ""])
def test_another_kind_of_token_is_never_a_key(verifier: Verifier, session: Session, now: datetime, typ: str) -> None:
    shop = open_shop(session, now)
    payload = json.loads(base64.urlsafe_b64decode(shop.key().token.split(".")[1] + "=="))
    token = sign(payload, typ=typ, key=ensure_active(session, ISSUER, now))
    assert verifier.verify(asked(token), now).code is CODE.KEY_INVALID


def test_the_status_list_is_no_key(verifier: Verifier, session: Session, now: datetime) -> None:
    signing_key = ensure_active(session, ISSUER, now)
    session.commit()
    at = int(now.timestamp())
    token = wrap_status_list(
        encode(8, []), signing_key, issuer=ISSUER.url, uri=ISSUER.status_uri, issued_at=at, expires_at=at + 60,
        ttl_seconds=60,
    )  # fmt: skip
    assert verifier.verify(asked(token), now).code is CODE.KEY_INVALID


def test_a_key_of_another_installation_is_unknown_here_in_either_form(
    verifying: Verifying, session: Session, now: datetime
) -> None:
    shop = open_shop(session, now)
    opaque = shop.key(form="opaque")
    elsewhere = replace(ISSUER, pepper=b"q" * 32, url="https://other.example.org")
    verifying.issuer = elsewhere
    there = verifying.open()
    for given in (opaque, shop.key()):
        assert there.verify(asked(given), now).code is CODE.KEY_INVALID


@pytest.mark.parametrize("environment", ["dev", "prod-eu", "staging"])
def test_an_opaque_key_relabelled_for_another_environment_is_no_key(
    verifier: Verifier, session: Session, now: datetime, environment: str
) -> None:
    shop = open_shop(session, now)
    given = shop.key(form="opaque", environment="prod")
    relabelled = render(environment, given.credential_id, given.secret)
    assert verifier.verify(asked(relabelled), now).code is CODE.KEY_INVALID


def test_a_secret_moved_to_another_credential_is_no_key(verifier: Verifier, session: Session, now: datetime) -> None:
    shop = open_shop(session, now)
    mine, other = shop.key(form="opaque"), shop.key(form="opaque")
    assert verifier.verify(asked(render("prod", other.credential_id, mine.secret)), now).code is CODE.KEY_INVALID


@pytest.mark.parametrize("back", [timedelta(seconds=31), timedelta(hours=1), DAY, 3650 * DAY])
def test_a_clock_set_back_never_revives_what_was_revoked_suspended_or_retired(
    verifying: Verifying, counter: Counter, session: Session, now: datetime, back: timedelta
) -> None:
    verifier = verifying.open()
    gone, turned = counter.issue(), counter.issue(OPAQUE)
    at = now + timedelta(hours=1)
    revoke(
        session, key_id=gone.key_id, actor=ANAS_BROWSER, rights=ANAS, reason=RevokeReason.LEAKED, submit=None,
        level=LEVEL, now=at,
    )  # fmt: skip
    session.commit()
    rotated(counter, turned, now=at, overlap_seconds=0)
    for each in (verifier, verifying.open()):
        assert each.verify(of(gone), at - back).code in {CODE.KEY_REVOKED, CODE.KEY_INVALID}
        assert each.verify(of(turned), at - back).code is CODE.KEY_SUPERSEDED


def test_an_old_secret_that_the_clock_has_retired_stays_retired_when_the_clock_is_set_back(
    verifier: Verifier, counter: Counter, session: Session, now: datetime
) -> None:
    old = counter.issue(STAGING)
    at = now + DAY
    rotated(counter, old, now=at)
    assert verifier.verify(of(old), at).valid
    tick(session, at + 3 * DAY, level=LEVEL)
    session.commit()
    assert verifier.verify(of(old), at).code is CODE.KEY_SUPERSEDED


@pytest.mark.parametrize("leeway", [0, 30, 60])
def test_the_leeway_lengthens_no_life_online(
    verifying: Verifying, session: Session, now: datetime, leeway: int
) -> None:
    verifying.leeway_seconds = leeway
    verifier = verifying.open()
    shop = open_shop(session, now)
    for form in ("jwt", "opaque"):
        given = shop.key(form=form, expires_in=timedelta(hours=1))
        end = now + timedelta(hours=1)
        assert verifier.verify(asked(given), end - timedelta(seconds=1)).valid
        assert verifier.verify(asked(given), end).code is CODE.KEY_EXPIRED


def test_a_clock_set_back_gives_an_expired_key_that_time_again_and_no_more(
    verifier: Verifier, session: Session, now: datetime
) -> None:
    """Dates are judged by the clock of the machine (docs/verification.md); doctor finds one that was set back."""
    shop = open_shop(session, now)
    for form in ("jwt", "opaque"):
        given = shop.key(form=form, expires_in=timedelta(hours=1))
        end = now + timedelta(hours=1)
        assert verifier.verify(asked(given), end + DAY).code is CODE.KEY_EXPIRED
        assert verifier.verify(asked(given), end).code is CODE.KEY_EXPIRED
        assert verifier.verify(asked(given), end - timedelta(minutes=1)).valid
    before_it_was_made = now - timedelta(seconds=31)
    assert verifier.verify(asked(shop.key()), before_it_was_made).code is CODE.KEY_INVALID


@pytest.mark.parametrize("years", [12, 50, 80])
def test_far_away_dates_are_only_dates(verifier: Verifier, session: Session, now: datetime, years: int) -> None:
    shop = open_shop(session, now)
    given = shop.key(expires_in=years * 365 * DAY)
    assert verifier.verify(asked(given), now + (years * 365 - 1) * DAY).valid
    assert verifier.verify(asked(given), now + (years * 365 + 1) * DAY).code is CODE.KEY_EXPIRED


def test_a_key_that_was_issued_anew_has_nothing_of_the_revoked_one(
    verifier: Verifier, counter: Counter, session: Session, now: datetime
) -> None:
    first = counter.issue(name="same name")
    assert verifier.verify(of(first), now).valid
    revoke(
        session, key_id=first.key_id, actor=ANAS_BROWSER, rights=ANAS, reason=RevokeReason.OTHER, submit=None,
        level=LEVEL, now=now,
    )  # fmt: skip
    session.commit()
    second = counter.issue(name="same name")
    assert verifier.verify(of(second), now).valid
    assert verifier.verify(of(first), now).code is CODE.KEY_REVOKED
    rows: list[Any] = list(session.scalars(select(Key.id)))
    assert len({first.key_id, second.key_id, *rows}) == 2
