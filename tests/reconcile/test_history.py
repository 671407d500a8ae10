"""What was in force when, and what each revision changed."""

from datetime import datetime, timedelta

from sqlalchemy import Engine, update
from sqlalchemy.orm import Session

from keymgr.reconcile.history import find_revision, history, show
from keymgr.store.policies import PolicyRevision
from tests.reconcile.doors import applied, apply, rollback
from tests.reconcile.small_policy import small_policy


def test_before_the_first_apply_there_is_no_history(session: Session) -> None:
    assert history(session, most=5) == ()
    assert find_revision(session) is None
    assert show(session) is None
    assert show(session, 1) is None


def test_revisions_are_listed_newest_first_page_by_page(engine: Engine, now: datetime) -> None:
    for number in range(5):
        apply(engine, small_policy(30 + number), now + timedelta(hours=number), label=f"{number}" * 7)
    with Session(engine) as session:
        first = history(session, most=2)
        assert [(each.number, each.commit, each.in_force) for each in first] == [
            (5, "4444444", True),
            (4, "3333333", False),
        ]
        assert [each.number for each in history(session, most=9, before=4)] == [3, 2, 1]
        assert first[0].applied_at == now + timedelta(hours=4)
        assert (first[0].author, first[0].ref, first[0].applied_by) == ("Ana <ana@example.org>", "main", "cli:ana")


def test_a_revision_names_its_signer(engine: Engine, now: datetime) -> None:
    apply(engine, small_policy(30), now, signer="ana@example.org SHA256:abc")
    with Session(engine) as session:
        found = find_revision(session)
        assert found is not None
        assert found.signer == "ana@example.org SHA256:abc"


def test_a_revision_shows_what_it_changed_by_object_and_field(engine: Engine, now: datetime) -> None:
    apply(engine, small_policy(30, "b"), now)
    apply(engine, small_policy(31, "c"), now)
    with Session(engine) as session:
        shown = show(session, 2)
        assert shown is not None
        assert shown.changes is not None
        assert [(each.action.value, str(each)) for each in shown.changes] == [
            ("changed", "IssuanceRule/a"),
            ("removed", "IssuanceRule/b"),
            ("added", "IssuanceRule/c"),
        ]
        (field,) = shown.changes[0].changes
        assert (field.path, field.before, field.after) == ("spec.limits.max_ttl", "30d", "31d")
        assert shown.previous == 1
        first = show(session, 1)
        assert first is not None
        assert first.previous is None
        assert first.changes is not None
        assert {each.action.value for each in first.changes} == {"added"}
        assert show(session) == shown


def test_a_rollback_is_told_as_one(engine: Engine, now: datetime) -> None:
    for days in (30, 31):
        apply(engine, small_policy(days), now)
    rollback(engine, 1, now)
    with Session(engine) as session:
        found = find_revision(session)
        assert found is not None
        assert (found.number, found.rollback_of, found.rollback_to) == (3, 2, 1)


def test_a_snapshot_of_another_schema_is_listed_and_not_compared(engine: Engine, now: datetime) -> None:
    number = applied(apply(engine, small_policy(30), now)).revision
    apply(engine, small_policy(31), now)
    with Session(engine) as session, session.begin():
        kind = {"kind": "Rulebook", "name": "a", "file": "a.yaml", "at": [1, 1], "marks": {}, "data": {"metadata": {}}}
        session.execute(update(PolicyRevision).where(PolicyRevision.id == number).values(documents=[kind]))
    with Session(engine) as session:
        assert len(history(session, most=9)) == 2
        shown = show(session, number)
        assert shown is not None
        assert shown.revision.number == number
