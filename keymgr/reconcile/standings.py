"""One look at live keys: how they stand by a policy is written down, told, and what follows is put into the outbox."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from keymgr.keys.consequences import is_held_by_policy
from keymgr.keys.standing import Stood, follow, stood, write_standings
from keymgr.people.owners import read_owners
from keymgr.policy.existing import LiveKey, Standing, Verdict, standing_of
from keymgr.policy.model import Policy, ViolationAction
from keymgr.store.audit import AuditEvent
from keymgr.store.base import EPOCH
from keymgr.store.keys import Key, KeyState
from keymgr.store.outbox import Errand, put
from keymgr.store.people import PersonState

NOTIFY, RELEASE, OWNER_EXIT = "notify", "release", "owner_exit"
_OWNER = ("owner",)


@dataclass(frozen=True, slots=True)
class Look:
    """Who looks, when, and by which policy."""

    session: Session
    policy: Policy
    revision_id: int
    actor: str
    now: datetime

    @property
    def seconds(self) -> int:
        """The moment as policy counts it."""
        return int((self.now - EPOCH).total_seconds())


@dataclass(frozen=True, slots=True)
class Noted:
    """How many keys began to violate the policy or changed what follows, and how many fit again."""

    flagged: int = 0
    released: int = 0

    def __add__(self, other: "Noted") -> "Noted":
        return Noted(self.flagged + other.flagged, self.released + other.released)


@dataclass(frozen=True, slots=True)
class _Turn:
    """One key with how it stood, how it stands, and whether it is suspended (True: by policy) or its owner has left."""

    key: LiveKey
    standing: Standing
    before: Stood | None
    after: Stood
    held: bool | None
    owner_left: bool

    @property
    def is_flagged(self) -> bool:
        """Whether there is something new to tell: a violation, or other consequences of the one there was."""
        before, after = self.before, self.after
        if after.fits:
            return False
        return before is None or before.fits or (before.action, before.due_at) != (after.action, after.due_at)

    @property
    def is_released(self) -> bool:
        """Whether a violation is over."""
        return self.after.fits and self.before is not None and not self.before.fits


def note_standings(look: Look, keys: Sequence[LiveKey], known: Mapping[str, Standing]) -> Noted:
    """Write down how `keys` stand, which are ordered by id. A key that is not in `known` fits by the rule it had."""
    turns = list(_turns(look, keys, known))
    changed = {turn.key.id: turn.after for turn in turns if turn.after != turn.before}
    write_standings(look.session, changed, look.revision_id, look.now)
    told = [row for turn in turns for row in _told(look, turn)]
    if told:
        look.session.execute(insert(AuditEvent), told)
    put(look.session, [errand for turn in turns for errand in _errands(look, turn)], look.now)
    return Noted(sum(turn.is_flagged for turn in turns), sum(turn.is_released for turn in turns))


def _turns(look: Look, keys: Sequence[LiveKey], known: Mapping[str, Standing]) -> Iterator[_Turn]:
    """Yield the keys that do not plainly fit, or once did not."""
    before, held = stood(look.session, [key.id for key in keys]), _held(look.session, keys)
    gone = _owners_who_left(look.session, keys)
    for key in keys:
        if key.id not in known and key.id not in before:
            continue
        standing = known.get(key.id) or standing_of(look.policy, key, look.seconds)
        was = before.get(key.id)
        after = follow(was, standing, look.now)
        if was is not None or after.verdict is not Verdict.OK:
            yield _Turn(key, standing, was, after, held.get(key.id), key.asker.id in gone)


def _held(session: Session, keys: Sequence[LiveKey]) -> dict[str, bool]:
    """Say of each suspended key whether policy suspended it."""
    if not keys:
        return {}
    among = (Key.id >= keys[0].id, Key.id <= keys[-1].id, Key.state == KeyState.SUSPENDED)
    found = session.execute(select(Key.id, Key.state, Key.state_reason).where(*among))
    return {key_id: is_held_by_policy(state, reason) for key_id, state, reason in found}


def _owners_who_left(session: Session, keys: Sequence[LiveKey]) -> frozenset[str]:
    inactive = {key.asker.id for key in keys if not key.asker.active}
    owners = read_owners(session, inactive) if inactive else {}
    return frozenset(owner.id for owner in owners.values() if owner.state is PersonState.LEFT)


def _told(look: Look, turn: _Turn) -> Iterator[dict[str, Any]]:
    after = turn.after
    if not turn.is_flagged and not turn.is_released:
        return
    yield {
        "at": look.now,
        "actor": look.actor,
        "action": "key.flagged" if turn.is_flagged else "key.fits_again",
        "object_kind": "key",
        "object_id": turn.key.id,
        "outcome": "done",
        "detail": {"owner": turn.key.asker.id, "revision": look.revision_id, "rule": after.rule, **_facts(after)},
    }


def _facts(after: Stood) -> dict[str, Any]:
    return {
        "verdict": after.verdict.value,
        "reasons": [reason["reason"] for reason in after.reasons],
        "sentence": after.reasons[0]["sentence"] if after.reasons else None,
        "action": None if after.action is None else after.action.value,
        "due": None if after.due_at is None else after.due_at.isoformat(),
    }


def _errands(look: Look, turn: _Turn) -> Iterator[Errand]:
    key, after = turn.key, turn.after
    payload = {"key_id": key.id}
    if after.fits:
        if turn.held:
            yield Errand(_once(look, turn, RELEASE), RELEASE, payload, look.now, again=True)
        return
    if turn.owner_left and turn.held is None:
        yield Errand(_once(look, turn, OWNER_EXIT), OWNER_EXIT, payload, look.now, again=True)
    if turn.is_flagged:
        told = {"owner": key.asker.id, "to": _recipients(look.policy, turn), **_facts(after)}
        yield Errand(_once(look, turn, NOTIFY), NOTIFY, {**payload, **told}, look.now)
    action, due_at = after.action, after.due_at
    if action is not None and due_at is not None and (turn.is_flagged or _is_overdue(turn, look.now)):
        again = action is not ViolationAction.FLAG
        yield Errand(_once(look, turn, action.value), action.value, payload, max(due_at, look.now), again=again)


def _is_overdue(turn: _Turn, now: datetime) -> bool:
    """Tell whether the grace is over and yet the key, which is live, is as it was."""
    if not turn.after.is_due(now) or turn.after.action is ViolationAction.FLAG:
        return False
    return turn.held is None or turn.after.action is not ViolationAction.SUSPEND


def _once(look: Look, turn: _Turn, kind: str) -> str:
    """Name the errand: one for each revision, key, kind and violation."""
    since = turn.after.since or EPOCH
    return f"{look.revision_id}:{turn.key.id}:{kind}:{int((since - EPOCH).total_seconds())}"


def _recipients(policy: Policy, turn: _Turn) -> list[str]:
    """Name who is told, as the policy says; the owner where it says nothing."""
    service = policy.services.get(turn.key.service)
    named = {
        "owner": [turn.key.asker.id],
        "team": [f"team:{team}" for team in sorted(turn.key.asker.teams)],
        "service_owner": [] if service is None else [f"team:{service.owner}"],
    }
    return sorted({who for word in turn.standing.notify or _OWNER for who in named[word]})
