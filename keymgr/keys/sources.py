"""Where keys are used from: addresses as the callers said, how often and until when, a bounded number of each key."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from keymgr.keys.upsert import insert_or_gather
from keymgr.store.usage import KeySource

SOURCES_MAX = 50
"""How many addresses are kept of one key; the one that was used longest ago goes first."""

_KEYS_AT_ONCE = 500


def add_sources(session: Session, uses: Sequence[tuple[str, str, datetime, int]]) -> None:
    """Add accepted calls to the addresses they came from; each use is key, address, moment and number of calls."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for key_id, address, at, calls in uses:
        fresh = {"key_id": key_id, "address": address, "first_at": at, "last_at": at, "calls": 0}
        row = rows.setdefault((key_id, address), fresh)
        row["first_at"], row["last_at"] = min(row["first_at"], at), max(row["last_at"], at)
        row["calls"] += calls
    if not rows:
        return
    in_order = [rows[name] for name in sorted(rows)]
    insert_or_gather(session, KeySource, in_order, total="calls", earliest="first_at", latest="last_at")
    touched = sorted({key_id for key_id, _ in rows})
    for start in range(0, len(touched), _KEYS_AT_ONCE):
        _drop_oldest(session, touched[start : start + _KEYS_AT_ONCE])


def _drop_oldest(session: Session, key_ids: Sequence[str]) -> None:
    """Forget, of those among these keys that were used from too many addresses, the ones used longest ago."""
    crowded = select(KeySource.key_id).where(KeySource.key_id.in_(key_ids)).group_by(KeySource.key_id)
    for key_id in session.scalars(crowded.having(func.count() > SOURCES_MAX)).all():
        of_key = select(KeySource.address).where(KeySource.key_id == key_id)
        newest_first = of_key.order_by(KeySource.last_at.desc(), KeySource.address)
        beyond = session.scalars(newest_first.offset(SOURCES_MAX)).all()
        session.execute(delete(KeySource).where(KeySource.key_id == key_id, KeySource.address.in_(beyond)))
