"""How keys have stood over time: what a new verdict makes of the last one, and the rows that keep it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from keymgr.policy.decision import Unmet
from keymgr.policy.existing import Standing, Verdict
from keymgr.policy.model import ViolationAction
from keymgr.store.standing import KeyStanding

FITTING = frozenset({Verdict.OK, Verdict.OK_BY_ANOTHER_RULE, Verdict.EXEMPT})
_CHUNK = 5_000


@dataclass(frozen=True, slots=True)
class Stood:
    """What is known of a key between two looks. Of a key that fits, `since` is the start of its last violation."""

    verdict: Verdict
    reasons: tuple[Mapping[str, Any], ...] = ()
    rule: str | None = None
    since: datetime | None = None
    action: ViolationAction | None = None
    due_at: datetime | None = None
    acted_at: datetime | None = None

    @property
    def fits(self) -> bool:
        """Whether nothing follows."""
        return self.verdict in FITTING

    def is_due(self, now: datetime) -> bool:
        """Tell whether the grace is over and something follows."""
        return not self.fits and self.due_at is not None and self.due_at <= now


def follow(before: Stood | None, standing: Standing, now: datetime) -> Stood:
    """Return how the key stands from `now` on.

    The clock of the grace starts with the violation. Another reason, another policy or missing evidence restarts
    nothing; a key that fits in between and breaks again before the first clock has run out goes on with that clock.
    """
    since = None if before is None else before.since
    if standing.verdict in FITTING:
        return Stood(standing.verdict, rule=standing.rule, since=since)
    grace = timedelta(seconds=standing.grace_seconds or 0)
    goes_on = before is not None and not before.fits
    if since is None or (not goes_on and since + grace <= now):
        since = now
    acted = before is not None and before.action is standing.action and goes_on
    return Stood(
        verdict=standing.verdict,
        reasons=tuple(_reason(unmet) for unmet in standing.reasons),
        rule=standing.rule,
        since=since,
        action=standing.action,
        due_at=since + grace,
        acted_at=before.acted_at if before is not None and acted else None,
    )


def stood(session: Session, key_ids: Collection[str]) -> dict[str, Stood]:
    """Read how keys stood at the last look; a key without a row fitted, and never did anything else."""
    found: dict[str, Stood] = {}
    ordered = sorted(key_ids)
    for start in range(0, len(ordered), _CHUNK):
        statement = select(*_COLUMNS).where(KeyStanding.key_id.in_(ordered[start : start + _CHUNK]))
        found.update({row[0]: _stood(row) for row in session.execute(statement)})
    return found


def write_standings(session: Session, standings: Mapping[str, Stood], revision_id: int, now: datetime) -> None:
    """Write how keys stand now, judged by the policy of a revision."""
    rows = [_row(key_id, each, revision_id, now) for key_id, each in standings.items()]
    if not rows:
        return
    is_postgresql = session.get_bind().dialect.name == "postgresql"
    insert = postgresql.insert(KeyStanding) if is_postgresql else sqlite.insert(KeyStanding)
    changed = {name: insert.excluded[name] for name in rows[0] if name != "key_id"}
    session.execute(insert.on_conflict_do_update(index_elements=[KeyStanding.key_id], set_=changed), rows)


def note_checked(session: Session, key_ids: Sequence[str], revision_id: int, now: datetime) -> None:
    """Write that these keys were looked at, whose ids are in order; only keys that have a row remember it."""
    if key_ids:
        looked_at = (KeyStanding.key_id >= key_ids[0], KeyStanding.key_id <= key_ids[-1])
        session.execute(update(KeyStanding).where(*looked_at).values(checked_at=now, revision_id=revision_id))


_COLUMNS = (
    KeyStanding.key_id,
    KeyStanding.verdict,
    KeyStanding.reasons,
    KeyStanding.rule,
    KeyStanding.since,
    KeyStanding.action,
    KeyStanding.due_at,
    KeyStanding.acted_at,
)


def _stood(row: Sequence[Any]) -> Stood:
    _, verdict, reasons, rule, since, action, due_at, acted_at = row
    acting = None if action is None else ViolationAction(action)
    return Stood(Verdict(verdict), tuple(reasons), rule, since, acting, due_at, acted_at)


def _row(key_id: str, each: Stood, revision_id: int, now: datetime) -> dict[str, Any]:
    return {
        "key_id": key_id,
        "verdict": each.verdict.value,
        "reasons": list(each.reasons),
        "rule": each.rule,
        "revision_id": revision_id,
        "checked_at": now,
        "since": each.since,
        "action": None if each.action is None else each.action.value,
        "due_at": each.due_at,
        "acted_at": each.acted_at,
    }


def _reason(unmet: Unmet) -> Mapping[str, Any]:
    source = None if unmet.source is None else str(unmet.source)
    return {"reason": unmet.reason.value, "sentence": unmet.sentence, "source": source}
