"""A plan of proposed files against the policy in force and every live key, for those who have no database: reads only.

The session must have been begun for reading (`execution_options(read_only=True)`), so that the database itself refuses
whatever would change it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from keymgr.policy.plan import Plan, plan
from keymgr.policy.problems import Problems
from keymgr.policy.read import ReadPolicy, read_policy
from keymgr.policy.replay import Replayed
from keymgr.policy.testing import TestReport, run_tests
from keymgr.reconcile.live_keys import live_keys
from keymgr.reconcile.replay import replay
from keymgr.reconcile.revisions import head_of
from keymgr.store.keys import Key
from keymgr.store.policies import SpentAck

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Planned:
    """What the proposal does; `base` names the revision it was compared with, None where nothing was applied yet.

    `replayed` is how past decisions would come out, None where nobody asked for that.
    """

    plan: Plan
    head: ReadPolicy
    tests: TestReport
    base: str | None
    replayed: Replayed | None


@dataclass(frozen=True, slots=True)
class BaseMoved:
    """Another policy is in force than the one that the proposal was made for; `digest` is None for no policy at all."""

    expected: str
    digest: str | None


@dataclass(frozen=True, slots=True)
class BaseUnreadable:
    """What is in force cannot be read by this version of keymgr, so nothing can be compared with it."""

    revision: int


PlanOutcome = Planned | BaseMoved | BaseUnreadable | Problems


def plan_proposal(
    session: Session,
    files: Mapping[str, bytes],
    *,
    now: datetime,
    expect_base: str | None = None,
    replay_days: int = 0,
) -> PlanOutcome:
    """Compare proposed files with the policy in force; problems of the files come back as they are.

    Guards are judged as apply judges them: the stricter ones of both sides, with every live key and every spent ack.
    """
    head = read_policy(files, now=now)
    if not isinstance(head, ReadPolicy):
        return head
    base = head_of(session)
    digest = None if base is None else base.digest
    if expect_base not in (None, digest):
        return BaseMoved(str(expect_base), digest)
    if base is not None and base.read is None:
        return BaseUnreadable(base.revision)
    before = None if base is None else base.read
    keys = live_keys(session, head.policy, now, before=None if before is None else before.policy)
    spent = frozenset(session.scalars(select(SpentAck.ack_digest)))
    made = plan(before, head, now=int(now.timestamp()), keys=keys, spent=spent)
    tests = run_tests(head.documents, head.policy)
    replayed = replay(session, head.policy, replay_days, now) if replay_days else None
    return Planned(made, head, tests, None if base is None else f"revision {base.revision}", replayed)


def owners_of(session: Session, key_ids: Sequence[str]) -> dict[str, str]:
    """Return who owns each of these keys; asked for apart, because most plans must not tell."""
    found: dict[str, str] = {}
    for start in range(0, len(key_ids), _AT_ONCE):
        some = key_ids[start : start + _AT_ONCE]
        rows = session.execute(select(Key.id, Key.owner).where(Key.id.in_(some)))
        found.update({row.id: row.owner for row in rows})
    return found
