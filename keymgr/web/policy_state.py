"""How policy stands in words, on two axes that people mix up: files to what is loaded, and what is loaded to keys."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from weakref import WeakKeyDictionary

from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from keymgr.policy.existing import Verdict
from keymgr.policy.wording import count
from keymgr.reconcile.drift import Drift, find_drift
from keymgr.reconcile.status import Attempt, Health, Status, read_status
from keymgr.store.keys import Key
from keymgr.store.policies import PolicyAttempt, PolicyHead
from keymgr.store.standing import KeyStanding
from keymgr.web.policy_keys import alive

_LOOK_AGAIN = timedelta(seconds=60)
_RESULTS = {
    0: ("Applied", "granted"),
    1: ("Failed for a reason nobody foresaw", "refused"),
    3: ("The policy is invalid", "refused"),
    4: ("Policy tests failed", "refused"),
    5: ("A guard tripped", "refused"),
    6: ("Somebody else held the lock", "pending"),
    7: ("Stale: the base had moved", "pending"),
    8: ("Applied, effects still failing", "pending"),
}
_APPLIED = frozenset({0, 8})
_SEEN: WeakKeyDictionary[Engine, tuple[datetime, int | None, Drift | None]] = WeakKeyDictionary()
"""What was last seen of drift, because a whole look compiles the policy; a new revision makes it look again."""


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis in words; `state` is granted, pending or refused, as the classes of the style sheet."""

    state: str
    word: str
    sentence: str


@dataclass(frozen=True, slots=True)
class PolicyState:
    """Everything the policy page says of how things stand."""

    status: Status
    sync: Axis
    keys: Axis
    counts: Mapping[Verdict, int]


def read_state(session: Session, now: datetime) -> PolicyState:
    """Read both axes afresh."""
    status = read_status(session, now)
    counts = verdict_counts(session, now)
    return PolicyState(status, _sync(status), _health(status, counts), counts)


def verdict_counts(session: Session, now: datetime) -> Mapping[Verdict, int]:
    """Count live keys by verdict; a key without a standing has always fitted."""
    live = session.scalar(select(func.count()).select_from(Key).where(*alive(now))) or 0
    statement = (
        select(KeyStanding.verdict, func.count())
        .join(Key, Key.id == KeyStanding.key_id)
        .where(*alive(now))
        .group_by(KeyStanding.verdict)
    )
    found = {Verdict(verdict): number for verdict, number in session.execute(statement)}
    found[Verdict.OK] = live - sum(number for verdict, number in found.items() if verdict is not Verdict.OK)
    return {verdict: found.get(verdict, 0) for verdict in Verdict}


def drift_of(session: Session, now: datetime) -> Drift | None:
    """Return how the stored policy differs from the applied one, as of a minute ago at most."""
    bind = session.get_bind()
    engine = bind if isinstance(bind, Engine) else bind.engine
    head = session.scalar(select(PolicyHead.revision_id))
    known = _SEEN.get(engine)
    if known is not None and known[1] == head and now - known[0] < _LOOK_AGAIN:
        return known[2]
    drift = find_drift(session)
    _SEEN[engine] = (now, head, drift)
    return drift


def last_attempt(session: Session) -> Attempt | None:
    """Return the last run of apply."""
    columns = (
        PolicyAttempt.started_at,
        PolicyAttempt.finished_at,
        PolicyAttempt.commit,
        PolicyAttempt.digest,
        PolicyAttempt.result_code,
        PolicyAttempt.message,
    )
    row = session.execute(select(*columns).order_by(PolicyAttempt.id.desc()).limit(1)).one_or_none()
    return None if row is None else Attempt(*row)


def result_words(code: int | None) -> tuple[str, str]:
    """Return how a run ended, in words, and which of the three states that is."""
    if code is None:
        return "Did not end: it is under way, or it was killed", "pending"
    return _RESULTS.get(code, (f"Ended with {code}", "pending"))


def has_failed(attempt: Attempt | None) -> bool:
    """Tell whether the last run put nothing in force."""
    return attempt is not None and attempt.result_code is not None and attempt.result_code not in _APPLIED


def _sync(status: Status) -> Axis:
    if status.drift is not None:
        return Axis("refused", "Edited outside", status.drift.sentence)
    if has_failed(status.attempted) and status.attempted is not None:
        words, state = result_words(status.attempted.result_code)
        still = "Nothing is in force." if status.applied is None else "The revision before it still decides."
        return Axis(state, "Last attempt failed", f"{words}. {still}")
    if status.pinned_reason is not None:
        return Axis("pending", "Pinned", f"Rolled back and pinned: {status.pinned_reason}")
    if status.applied is None:
        return Axis("pending", "Nothing loaded", "No policy was applied yet.")
    return Axis("granted", "Up to date", "What was last applied is what decides.")


def _health(status: Status, counts: Mapping[Verdict, int]) -> Axis:
    out, unknown = counts[Verdict.VIOLATES], counts[Verdict.UNKNOWN]
    if status.health is Health.DEGRADED:
        return Axis(
            "refused", "Effects failing", f"{count(status.effects.failing, 'effect')} failed and is tried again."
        )
    if out or unknown:
        said = [f"{count(out, 'live key')} out of policy"] if out else []
        said += [f"{count(unknown, 'live key')} cannot be judged"] if unknown else []
        return Axis("refused" if out else "pending", "Keys out of policy", f"{' and '.join(said)}.")
    if status.health is Health.PROGRESSING:
        return Axis("pending", "Working", f"{count(status.effects.waiting, 'effect')} still to do.")
    return Axis("granted", "All keys conform", f"{count(sum(counts.values()), 'live key')} checked against the policy.")
