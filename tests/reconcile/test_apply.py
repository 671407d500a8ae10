"""A policy folder comes into force whole or not at all, and only when it changes something."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from keymgr import __version__
from keymgr.reconcile.apply import Applied, ApplyOutcome, Invalid, Stale, TestsFailed, apply_policy
from keymgr.reconcile.attempts import finish_attempt, start_attempt
from keymgr.reconcile.live import in_force
from keymgr.store.audit import AuditEvent
from keymgr.store.lock import LockNotObtained, own_policy, share_policy
from keymgr.store.policies import PolicyAttempt, PolicyHead, PolicyRevision
from tests.reconcile.small_policy import PLACE, REST, small_policy


def apply(
    engine: Engine, files: Mapping[str, bytes], now: datetime, *, expect_base: str | None = None, label: str = "c0ffee"
) -> ApplyOutcome:
    """Apply as a door does: one transaction."""
    with Session(engine) as session, session.begin():
        return apply_policy(
            session,
            files,
            revision=label,
            ref="main",
            author="Ana <ana@example.org>",
            applied_by="cli:ana",
            now=now,
            expect_base=expect_base,
            wait_seconds=0.3,
        )


def applied(outcome: ApplyOutcome) -> Applied:
    assert isinstance(outcome, Applied), outcome
    return outcome


def days_in_force(engine: Engine) -> int | None:
    with Session(engine) as session:
        live = in_force(session)
        return None if live is None else live.policy.rules["a"].limits.max_ttl_seconds // 86_400


def test_the_first_apply_puts_the_folder_in_force(engine: Engine, now: datetime) -> None:
    assert days_in_force(engine) is None
    outcome = applied(apply(engine, small_policy(30), now))
    kinds = {"IssuanceRule": 1, "PolicySet": 1, "PolicyTest": 1, "Service": 1, "Team": 1}
    assert (outcome.revision, outcome.changed) == (1, True)
    assert outcome.summary == {"added": kinds, "changed": {}, "removed": {}}
    assert days_in_force(engine) == 30
    with Session(engine) as session:
        row = session.get_one(PolicyRevision, outcome.revision)
        assert (row.name, row.digest, row.commit, row.ref) == ("small", outcome.digest, "c0ffee", "main")
        assert (row.author, row.applied_by, row.applied_at) == ("Ana <ana@example.org>", "cli:ana", now)
        assert row.app_version == __version__
        event = session.scalars(select(AuditEvent)).one()
        assert (event.action, event.actor, event.object_id) == ("policy.applied", "cli:ana", "1")
        told = {"digest", "commit", "author", "summary"}
        assert {name: value for name, value in event.detail.items() if name in told} == {
            "digest": outcome.digest,
            "commit": "c0ffee",
            "author": "Ana <ana@example.org>",
            "summary": outcome.summary,
        }


def test_the_same_policy_again_writes_nothing(engine: Engine, now: datetime) -> None:
    first = applied(apply(engine, small_policy(30), now))
    moved = {"elsewhere.yaml": b"# A comment.\n" + small_policy(720)[PLACE].replace(b"720d", b"720h")}
    moved |= {"rest.yaml": REST.encode()}
    for files in (small_policy(30), moved):
        again = applied(apply(engine, files, now + timedelta(days=1), label="other"))
        assert (again.revision, again.digest, again.changed) == (first.revision, first.digest, False)
        assert again.summary == {"added": {}, "changed": {}, "removed": {}}
    with Session(engine) as session:
        assert session.query(PolicyRevision).count() == 1
        assert session.query(AuditEvent).count() == 1


def test_a_change_is_a_new_revision_that_counts_what_changed(engine: Engine, now: datetime) -> None:
    apply(engine, small_policy(30, "b", "c"), now)
    outcome = applied(apply(engine, small_policy(31, "d"), now))
    assert outcome.revision == 2
    assert outcome.summary == {
        "added": {"IssuanceRule": 1},
        "changed": {"IssuanceRule": 1},
        "removed": {"IssuanceRule": 2},
    }
    assert days_in_force(engine) == 31


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"rest.yaml": b""},
        {"rest.yaml": b"\xff\xfe"},
        {PLACE: small_policy(99)[PLACE]},
        small_policy(99) | {"half.yaml": b"apiVersion: keymgr/v1\nkind: Team\nmetadata: {name: x"},
        small_policy(99) | {"twice.yaml": small_policy(99)[PLACE]},
        {PLACE: small_policy(99)[PLACE].replace(b"payments]", b"paiments]"), "rest.yaml": REST.encode()},
    ],
    ids=["nothing", "empty", "not text", "half the folder", "half a file", "a name twice", "an unknown team"],
)
def test_a_broken_folder_keeps_the_last_good_policy(engine: Engine, now: datetime, broken: Mapping[str, bytes]) -> None:
    apply(engine, small_policy(30), now)
    outcome = apply(engine, broken, now)
    assert isinstance(outcome, Invalid)
    assert outcome.problems
    assert days_in_force(engine) == 30
    with Session(engine) as session:
        assert session.query(PolicyRevision).count() == 1
        assert session.query(AuditEvent).count() == 1


def test_a_policy_whose_tests_fail_or_are_missing_is_not_applied(engine: Engine, now: datetime) -> None:
    apply(engine, small_policy(30), now)
    failing = small_policy(99) | {
        "rest.yaml": REST.replace("decision: allow, rule: a", "decision: allow, rule: z").encode()
    }
    untested = small_policy(99) | {"rest.yaml": REST[: REST.rindex("---")].encode()}
    outcome = apply(engine, failing, now)
    assert isinstance(outcome, TestsFailed | Invalid)
    outcome = apply(engine, untested, now)
    assert isinstance(outcome, TestsFailed)
    assert outcome.report.results == ()
    assert days_in_force(engine) == 30


def test_a_policy_test_that_expects_something_else_stops_the_apply(engine: Engine, now: datetime) -> None:
    files = small_policy(30)
    files["rest.yaml"] = files["rest.yaml"].replace(b"ttl: 1d}}", b"ttl: 31d}}")
    outcome = apply(engine, files, now)
    assert isinstance(outcome, TestsFailed)
    assert [failure.name for failure in outcome.report.failures] == ["ben reads"]
    assert days_in_force(engine) is None


def test_a_change_made_for_another_base_is_refused(engine: Engine, now: datetime) -> None:
    assert apply(engine, small_policy(30), now, expect_base="sha256:other") == Stale("sha256:other", None)
    first = applied(apply(engine, small_policy(30), now))
    second = applied(apply(engine, small_policy(31), now, expect_base=first.digest))
    assert apply(engine, small_policy(32), now, expect_base=first.digest) == Stale(first.digest, second.digest)
    assert apply(engine, small_policy(31), now, expect_base=first.digest) == Stale(first.digest, second.digest)
    assert days_in_force(engine) == 31


def test_a_stored_policy_that_is_not_what_was_applied_is_applied_again(engine: Engine, now: datetime) -> None:
    first = applied(apply(engine, small_policy(30), now))
    with Session(engine) as session, session.begin():
        session.get_one(PolicyRevision, first.revision).documents = []
    again = applied(apply(engine, small_policy(30), now))
    assert (again.revision, again.changed, again.digest) == (2, True, first.digest)
    assert days_in_force(engine) == 30


def test_an_apply_waits_for_decisions_and_then_gives_up(engine: Engine, now: datetime) -> None:
    with Session(engine) as decider:
        share_policy(decider)
        with pytest.raises(LockNotObtained):
            apply(engine, small_policy(30), now)
    with Session(engine) as owner:
        own_policy(owner, 0)
        with pytest.raises(LockNotObtained):
            apply(engine, small_policy(30), now)
    assert applied(apply(engine, small_policy(30), now)).changed


def test_a_broken_folder_takes_no_lock(engine: Engine, now: datetime) -> None:
    with Session(engine) as owner:
        own_policy(owner, 0)
        assert isinstance(apply(engine, {}, now), Invalid)


def test_labels_longer_than_their_columns_are_cut(engine: Engine, now: datetime) -> None:
    apply(engine, small_policy(30), now, label="f" * 500)
    with Session(engine) as session:
        live = in_force(session)
        assert live is not None
        assert live.commit == "f" * 64


def test_an_apply_that_is_undone_leaves_nothing(engine: Engine, now: datetime) -> None:
    with Session(engine) as session:
        outcome = apply_policy(
            session, small_policy(30), revision=None, ref=None, author=None, applied_by="cli:ana", now=now
        )
        assert isinstance(outcome, Applied)
        session.rollback()
    with Session(engine) as session:
        assert session.query(PolicyHead).count() == 0
        assert session.query(PolicyRevision).count() == 0
        assert session.query(AuditEvent).count() == 0


def test_every_attempt_is_told_also_the_ones_that_changed_nothing(session: Session, now: datetime) -> None:
    killed = start_attempt(session, commit="c" * 100, now=now)
    session.commit()
    failed = start_attempt(session, commit=None, now=now)
    session.commit()
    finish_attempt(session, failed, result_code=3, digest=None, message="x" * 20_000, now=now + timedelta(seconds=1))
    session.commit()
    rows = {row.id: row for row in session.scalars(select(PolicyAttempt))}
    assert (rows[killed].result_code, rows[killed].finished_at, rows[killed].commit) == (None, None, "c" * 64)
    assert (rows[failed].result_code, rows[failed].finished_at) == (3, now + timedelta(seconds=1))
    assert len(rows[failed].message) == 10_000
