"""Puts a policy folder in force: all of it in one transaction, or nothing and the last good one stays."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy.orm import Session

from keymgr.policy.guards import GuardReport
from keymgr.policy.problems import Problems
from keymgr.policy.read import ReadPolicy, read_policy
from keymgr.policy.testing import TestReport, run_tests
from keymgr.reconcile.ancestry import Descends, Descent
from keymgr.reconcile.guarding import Judgement, judge_change, spend
from keymgr.reconcile.revisions import Entry, Head, Label, Summary, base_of, head_of, put_in_force, summarise, tip_of
from keymgr.store.lock import own_policy

WAIT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Applied:
    """The policy of the folder is in force as `revision`; without `changed` it already was, and nothing was written.

    `summary` counts added, changed and removed documents by kind.
    """

    revision: int
    digest: str
    changed: bool
    summary: Summary


@dataclass(frozen=True, slots=True)
class Invalid:
    """The folder is not a policy; every problem has its place and remedy. Nothing was changed."""

    problems: Problems


@dataclass(frozen=True, slots=True)
class TestsFailed:
    """The policy's own tests did not pass, or there are none. Nothing was changed."""

    __test__ = False  # pytest takes a class of this name for one of its own.

    report: TestReport


@dataclass(frozen=True, slots=True)
class Stale:
    """The policy in force is not the one this change was made for. Nothing was changed; `digest` is in force."""

    expected: str
    digest: str | None


class Refusal(StrEnum):
    """Why a good policy may not be applied now."""

    BASE_NEEDED = "base_needed"
    NOT_FORWARD = "not_forward"
    OTHER_DIGEST = "other_digest"
    PINNED = "pinned"


@dataclass(frozen=True, slots=True)
class Refused:
    """The policy is good and may not come next. Nothing was changed; the sentence says what to do."""

    reason: Refusal
    sentence: str


@dataclass(frozen=True, slots=True)
class Blocked:
    """Guards stand in the way that nobody has acknowledged. Nothing was changed; `base_digest` is in force."""

    report: GuardReport
    base_digest: str


ApplyOutcome = Applied | Invalid | TestsFailed | Stale | Refused | Blocked


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the caller knows of the state before and after; whatever of it is given must hold.

    `descends` tells whether the change comes after a commit; None vouches that it does. A base may be named where no
    history can tell, and with `history_rewritten` also where history says no.
    """

    base: str | None = None
    digest: str | None = None
    descends: Descends | None = None
    history_rewritten: bool = False


def apply_policy(
    session: Session,
    files: Mapping[str, bytes],
    *,
    revision: str | None,
    ref: str | None,
    author: str | None,
    applied_by: str,
    now: datetime,
    signer: str | None = None,
    expect_base: str | None = None,
    expect: Expectation | None = None,
    wait_seconds: float = WAIT_SECONDS,
) -> ApplyOutcome:
    """Make the policy of a folder the one that decides, from the caller's commit on.

    `revision` is the commit; `expect_base` is `expect` in short. `session` must not have begun.
    Raises `LockNotObtained` when another apply, or decisions in progress, do not end within `wait_seconds`.
    """
    expect = expect or Expectation(base=expect_base)
    proposed = examine(files, now=now)
    if not isinstance(proposed, ReadPolicy):
        return proposed
    own_policy(session, wait_seconds)
    head = head_of(session)
    hindrance: Stale | Refused | None = _is_stale(head, expect)
    if hindrance is not None:
        return hindrance
    if head is not None and head.stands and head.digest == proposed.policy.digest:
        return Applied(head.revision, head.digest, changed=False, summary=summarise((), ()))
    hindrance = _is_refused(session, head, proposed.policy.digest, expect)
    if hindrance is not None:
        return hindrance
    judged = judge_change(session, base_of(session, head, proposed.policy.digest), proposed, now)
    if judged.report.blocking:
        return Blocked(judged.report, head.digest if head else "")
    entry = _entry(head, proposed, judged, Label(revision, ref, author, signer), applied_by)
    number = put_in_force(session, entry, head.read if head else None, now, judged)
    spend(session, judged.report, number)
    return Applied(number, proposed.policy.digest, changed=True, summary=entry.summary)


def examine(files: Mapping[str, bytes], *, now: datetime) -> ReadPolicy | Invalid | TestsFailed:
    """Load, compile and test a folder; reads no database."""
    found = read_policy(files, now=now)
    if not isinstance(found, ReadPolicy):
        return Invalid(found)
    report = run_tests(found.documents, found.policy)
    return found if report.passed else TestsFailed(report)


def _entry(head: Head | None, proposed: ReadPolicy, judged: Judgement, label: Label, applied_by: str) -> Entry:
    """Return what to put in force; what it does beside that is told in the audit trail."""
    detail = judged.detail
    if head is not None and head.pinned_reason is not None:
        detail = detail | {"took_off_pin": head.pinned_reason}
    if head is not None and head.read is None:
        detail = detail | {"replaced": "what cannot be read"}
    summary = summarise(head.documents if head else (), proposed.documents)
    return Entry(proposed, label, applied_by, summary, detail=detail)


def _is_stale(head: Head | None, expect: Expectation) -> Stale | None:
    base = None if head is None else head.digest
    return None if expect.base in (None, base) else Stale(str(expect.base), base)


def _is_refused(session: Session, head: Head | None, digest: str, expect: Expectation) -> Refused | None:
    """Return why this policy may not come next, None when it may."""
    if expect.digest not in (None, digest):
        sentence = f"The policy is {digest}, not {expect.digest}, which was reviewed; plan again."
        return Refused(Refusal.OTHER_DIGEST, sentence)
    if head is not None and head.pinned_reason is not None and digest == head.bad_digest:
        sentence = (
            f"This policy was rolled back ({head.pinned_reason}). Apply a commit that mends it, "
            "or let it in again with `keymgr policy unpin`."
        )
        return Refused(Refusal.PINNED, sentence)
    tip = tip_of(session)
    if expect.descends is None or tip is None:
        return None
    return _is_not_forward(expect, expect.descends(tip), tip, head)


def _is_not_forward(expect: Expectation, descent: Descent, tip: str, head: Head | None) -> Refused | None:
    named, base = expect.base is not None, head.digest if head else "none"
    match descent:
        case Descent.NO if not (named and expect.history_rewritten):
            sentence = (
                f"This commit does not come after {tip[:12]}, which was applied last. Merge that one and apply the "
                f"result; if history was rewritten on purpose, add --history-rewritten --expect-base {base}."
            )
            return Refused(Refusal.NOT_FORWARD, sentence)
        case Descent.UNKNOWN if not named:
            sentence = (
                f"Nothing here tells whether this comes after {tip[:12]}, which was applied last. Fetch the whole "
                f"history, or name what you mean to replace: --expect-base {base}."
            )
            return Refused(Refusal.BASE_NEEDED, sentence)
        case _:
            return None
