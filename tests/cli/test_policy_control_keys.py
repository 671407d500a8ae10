"""`keymgr policy explain --key`: a real key, why it was given, and how it stands once the policy is narrower."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from keymgr.keys.ask import ask
from keymgr.keys.outcomes import Issued
from keymgr.people.whois import asker_of_owner
from keymgr.policy.model import Wish
from keymgr.reconcile.live import in_force
from keymgr.store.audit import Actor
from keymgr.store.people import Person
from keymgr.store.policies import PolicyHead, PolicyOverride
from tests.cli.controlled import Installation, install
from tests.cli.test_policy_control import explained, write
from tests.keys.house import ISSUER, an_order
from tests.reconcile.small_policy import small_policy

DAY = 86_400
NOW = datetime.now(UTC)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Installation:
    return install(tmp_path, monkeypatch, capsys)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "policies", small_policy(30))


@pytest.fixture
def key(here: Installation, folder: Path) -> str:
    """A key of ben's for twenty days."""
    assert here.run("apply", folder, "--revision", "v1") == 0
    with here.session() as session:
        session.add(Person(id="usr_ben", name="ben", display_name="Ben", created_at=NOW))
        session.flush()
        opened = in_force(session)
        assert opened is not None
        asker = asker_of_owner(session, "user:ben", opened.policy)
        assert asker is not None
        order = an_order(Wish("ledger", "dev", frozenset({"entries:read"}), 20 * DAY), person_id="usr_ben")
        issued = ask(session, opened, asker=asker, actor=Actor("user:ben"), order=order, issuer=ISSUER, now=NOW)
        assert isinstance(issued, Issued), issued
        return issued.key_id


def test_a_key_that_fits_is_0_then_and_now(here: Installation, key: str) -> None:
    code, answer = here.both("explain", "--key", key)
    assert (code, answer["owner"], answer["status"]) == (0, "user:ben", "active")
    assert (answer["then"]["rule"], answer["then"]["revision"], answer["then"]["commit"]) == ("a", 1, "v1")
    assert (answer["now"]["verdict"], answer["now"]["rule"]) == ("ok", "a")
    assert answer["if_asked_now"]["result"] == "allowed"
    assert "Then: by a (rules/a.yaml:2:1), revision 1, commit v1." in here.out
    assert "Now: Ok, by a" in here.out


def test_a_key_that_the_policy_left_behind_is_20_with_reason_and_date(
    here: Installation, key: str, folder: Path
) -> None:
    write(folder, small_policy(10))
    ahead = ("apply", folder, "--revision", "v2", "--expect-base", base(here))
    code, answer = here.both(*ahead)
    assert (code, answer["blocked_by"][0]["items"]) == (5, ["live keys of the team payments"])
    (folder / "ack.yaml").write_text(
        "apiVersion: keymgr/v1\nkind: ChangeAck\nmetadata: {name: once, owner: payments}\nspec: {guard: goes_to_zero, "
        f'base: "{base(here)}", expires_at: "2099-01-01T00:00:00Z", reason: wanted}}\n'
    )
    assert here.run(*ahead) == 0, here.out
    code, answer = here.both("explain", "--key", key)
    assert (code, answer["then"]["revision"]) == (20, 1)
    assert (answer["now"]["verdict"], answer["now"]["action"]) == ("violates", "flag")
    assert answer["now"]["reasons"][0]["reason"] == "LIMIT_TTL"
    assert answer["now"]["due_at"] > answer["now"]["since"]
    assert answer["if_asked_now"]["result"] == "denied"
    assert "Out of policy since" in here.out
    assert here.run("rollback", "--to", 1, "--reason", "too short") == 0
    assert here.both("explain", "--key", key)[0] == 0


def test_a_key_without_a_policy_in_force_cannot_be_judged(here: Installation, key: str) -> None:
    with here.session() as session:
        session.query(PolicyHead).delete()
    code, answer = here.both("explain", "--key", key)
    assert (code, answer["now"]) == (20, None)
    assert "cannot be judged" in here.out


def test_keys_that_are_held_count_for_an_owner(here: Installation, key: str) -> None:
    assert key
    assert here.json(*explained("--owner", "ben"))[0] == 0


def test_an_emergency_override_denies_and_says_whose_it_is(here: Installation, key: str) -> None:
    assert key
    with here.session() as session:
        override = PolicyOverride(
            id="ovr_1",
            kind="service",
            target="ledger",
            reason="leak under way",
            created_at=NOW,
            created_by="user:ada",
            expires_at=NOW.replace(year=NOW.year + 1),
        )
        session.add(override)
    code, answer = here.both(*explained("--owner", "ben"))
    assert (code, answer["result"]) == (20, "allowed")
    assert "leak under way" in answer["stopped"]
    assert here.out.splitlines()[1].startswith("Denied for now.")


def base(here: Installation) -> str:
    digest: str = here.json("status")[1]["applied"]["digest"]
    return digest
