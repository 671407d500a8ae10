"""A plan by the server: the same value as offline, with live keys, on a session that cannot write."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, MetaData, delete, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from keymgr.cli.plan_apart import answer
from keymgr.policy.plan_keys import Effect
from keymgr.reconcile.apply import Applied, apply_policy
from keymgr.reconcile.remote_plan import BaseMoved, BaseUnreadable, Planned, PlanOutcome, owners_of, plan_proposal
from keymgr.store.base import Base
from keymgr.store.keys import Key
from keymgr.store.policies import PlanCredential, PolicyRevision
from tests.keys.verifying import add_key, add_owner
from tests.reconcile.small_policy import small_policy

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
EVIDENCE = {"facts": {}, "keys_held": 0}


@pytest.fixture
def key_id(engine: Engine) -> str:
    """A key of ben's for one day, by the small policy that is in force."""
    with Session(engine) as session:
        applied = apply_policy(
            session, small_policy(2), revision=None, ref=None, author=None, applied_by="cli:test", now=NOW
        )
        assert isinstance(applied, Applied)
        session.commit()
        add_owner(session, "user:ben", NOW)
        terms = {"service": "ledger", "environment": "dev", "scopes": ["entries:read"], "rule": "a"}
        given = add_key(session, NOW, applied.revision, owner="user:ben", **terms)  # type: ignore[arg-type]  # terms by name.
        session.get_one(Key, given.key_id).evidence = EVIDENCE
        session.commit()
    return given.key_id


def planned(engine: Engine, files: dict[str, bytes], **other: object) -> PlanOutcome:
    with Session(engine.execution_options(read_only=True)) as session:
        return plan_proposal(session, files, now=NOW, **other)  # type: ignore[arg-type]  # its own options.


def everything(engine: Engine) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table there is, ours or not."""
    found = MetaData()
    found.reflect(engine)
    assert set(Base.metadata.tables) <= set(found.tables)
    with engine.connect() as connection:
        return {
            name: sorted((tuple(row) for row in connection.execute(select(table))), key=repr)
            for name, table in found.tables.items()
        }


def narrowed() -> dict[str, bytes]:
    """The policy under which ben is no longer of the team, so that his key breaks it."""
    files = small_policy(2)
    return {path: data.replace(b"members: [ben]", b"members: [eve]") for path, data in files.items()}


@pytest.mark.usefixtures("key_id")
def test_the_same_policy_changes_nothing_and_every_key_is_counted(engine: Engine) -> None:
    outcome = planned(engine, small_policy(2))
    assert isinstance(outcome, Planned)
    assert outcome.plan.is_empty
    assert outcome.plan.keys is not None
    assert (outcome.plan.keys.checked, outcome.plan.keys.counts) == (1, {Effect.UNTOUCHED: 1})
    assert outcome.base == "revision 1"


def test_a_key_that_would_break_is_named(engine: Engine, key_id: str) -> None:
    outcome = planned(engine, narrowed())
    assert isinstance(outcome, Planned)
    assert outcome.plan.keys is not None
    assert [(each.key.id, each.effect) for each in outcome.plan.keys.impacts] == [(key_id, Effect.BREAKS)]
    assert outcome.plan.guards.keys_judged


def test_owners_are_told_apart(engine: Engine, key_id: str) -> None:
    with Session(engine.execution_options(read_only=True)) as session:
        assert owners_of(session, [key_id, "key_nobodys"]) == {key_id: "user:ben"}


@pytest.mark.usefixtures("key_id")
def test_files_that_are_no_policy_come_back_as_problems(engine: Engine) -> None:
    outcome = planned(engine, {"a.yaml": b"kind: [", "b.yaml": b"apiVersion: keymgr/v1\nkind: Nothing\n"})
    assert isinstance(outcome, tuple)
    assert {problem.file for problem in outcome} == {"a.yaml", "b.yaml"}


def test_without_a_policy_in_force_everything_is_new(engine: Engine) -> None:
    outcome = planned(engine, small_policy(2))
    assert isinstance(outcome, Planned)
    assert (outcome.base, outcome.plan.base_digest) == (None, None)


@pytest.mark.usefixtures("key_id")
def test_a_base_that_has_moved_is_said(engine: Engine) -> None:
    outcome = planned(engine, small_policy(3), expect_base="sha256:another")
    assert isinstance(outcome, BaseMoved)
    good = planned(engine, small_policy(3), expect_base=outcome.digest)
    assert isinstance(good, Planned)


@pytest.mark.usefixtures("key_id")
def test_a_base_that_cannot_be_read_is_no_base_to_compare_with(engine: Engine) -> None:
    with Session(engine) as session:
        session.get_one(PolicyRevision, 1).documents = []
        session.commit()
    assert planned(engine, small_policy(3)) == BaseUnreadable(1)


@pytest.mark.usefixtures("key_id")
def test_past_decisions_are_asked_again_only_on_request(engine: Engine) -> None:
    silent, asked = planned(engine, small_policy(2)), planned(engine, small_policy(2), replay_days=90)
    assert isinstance(silent, Planned)
    assert isinstance(asked, Planned)
    assert silent.replayed is None
    assert asked.replayed is not None


def question(engine: Engine, files: dict[str, bytes], **other: object) -> dict[str, object]:
    return {
        "database_url": engine.url.render_as_string(hide_password=False),
        "files": {path: data.decode() for path, data in files.items()},
        "base_digest": None, "folder": "policies", "format": "json", "replay_days": 90, "show_owners": False,
        **other,
    }  # fmt: skip


@pytest.mark.usefixtures("key_id")
@pytest.mark.parametrize("form", ["json", "markdown", "human", "github"])
def test_no_row_of_any_table_changes(engine: Engine, form: str) -> None:
    before = everything(engine)
    for files in (small_policy(2), narrowed(), {"a.yaml": b"nonsense"}):
        assert "exit_code" in answer(question(engine, files, format=form, show_owners=True), NOW)
    assert everything(engine) == before
    assert before[Key.__tablename__]


@pytest.mark.usefixtures("key_id")
def test_whatever_would_write_is_refused_by_the_database(engine: Engine) -> None:
    reading = engine.execution_options(read_only=True)
    with Session(reading) as session:
        assert isinstance(plan_proposal(session, small_policy(3), now=NOW), Planned)
        with pytest.raises(DBAPIError):
            session.execute(delete(Key))
    with Session(reading) as session, pytest.raises(DBAPIError):
        session.execute(text("update policy_head set pinned_reason = 'no'"))
    with Session(reading) as session:
        row = PlanCredential(id="pln_x", name="x", secret_digest=b"x" * 32, created_at=NOW, created_by="cli:x")
        session.add(row)
        with pytest.raises(DBAPIError):
            session.flush()


def test_reports_name_owners_and_past_requests_where_asked(engine: Engine, key_id: str) -> None:
    told = answer(question(engine, narrowed(), format="markdown", show_owners=True), NOW)
    assert told["exit_code"] == 5 or told["result"] == "changes"
    assert f"| `{key_id}` | `user:ben` |" in told["report"]
    assert "**Replay:** of 0 requests decided in 90 days" in told["report"]
    assert told["key_impact"]["keys"][0]["owner"] == "user:ben"
    hidden = answer(question(engine, narrowed(), format="human", replay_days=0), NOW)
    assert key_id in hidden["report"]
    assert "user:ben" not in str(hidden)
    assert hidden["replay"] is None


@pytest.mark.usefixtures("key_id")
def test_hindrances_are_told_as_such(engine: Engine) -> None:
    stale = answer(question(engine, small_policy(2), base_digest="sha256:other"), NOW)
    assert stale["hindrance"] == "stale"
    with Session(engine) as session:
        session.get_one(PolicyRevision, 1).documents = []
        session.commit()
    assert answer(question(engine, small_policy(2)), NOW) == {"hindrance": "unreadable", "revision": 1}
