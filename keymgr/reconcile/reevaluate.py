"""Looks again at live keys by the clock: all of them every hour, and at once those of an owner who changed.

A key may stop fitting without any apply: its owner left or moved, a waiver ended, evidence grew old. What is needed is
told by how things are, not by what happened, so that a lost message or a restart loses nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import func, select

from keymgr.keys.standing import note_checked
from keymgr.keys.trail import CLOCK
from keymgr.policy.plan_keys import key_impact
from keymgr.reconcile.live_keys import Chosen, live_keys
from keymgr.reconcile.settle import Clockwork
from keymgr.reconcile.standings import Look, Noted, note_standings
from keymgr.store.changes import Change, ChangeKind
from keymgr.store.standing import KeyStanding

EVERY = timedelta(hours=1)
PORTION = 5_000
_START = ""


@dataclass(frozen=True, slots=True)
class Place:
    """How far the clock has come: up to which change, by which revision, and when everything is due again.

    `after` is the last key of a look at everything that goes on, None between two of them.
    """

    change_id: int
    revision: int
    all_due_at: datetime
    after: str | None


def reevaluate(work: Clockwork, place: Place | None) -> tuple[Place, Noted]:
    """Look at one portion of what is due; call again, in a transaction of its own, while `after` is not None.

    The caller keeps the policy from changing (`share_policy`). Without a place, everything is due.
    """
    newest = work.session.scalar(select(func.max(Change.id))) or 0
    revision = work.in_force.revision
    if place is None or place.revision != revision or (place.after is None and place.all_due_at <= work.now):
        place = Place(newest, revision, work.now + EVERY, _START)
    owners, key_ids = _changed_since(work, place.change_id)
    place = replace(place, change_id=newest)
    noted = Noted()
    if len(owners) > PORTION or len(key_ids) > PORTION:
        place = replace(place, after=_START)
    else:
        noted += _look(work, Chosen(owners=owners))[0] if owners else Noted()
        noted += _look(work, Chosen(ids=key_ids))[0] if key_ids else Noted()
    if place.after is None:
        return place, noted
    more, last, is_full = _look(work, Chosen(after=place.after, most=PORTION))
    return replace(place, after=last if is_full else None), noted + more


def _changed_since(work: Clockwork, change_id: int) -> tuple[Sequence[str], Sequence[str]]:
    """Return the owners who changed, and the keys that changed and did not fit, such as a rotated one.

    Of more than a portion only as many come back as tell that everything has to be looked at.
    """
    changed = select(Change.object_id).where(Change.id > change_id).distinct().limit(PORTION + 1)
    owners = work.session.scalars(changed.where(Change.kind == ChangeKind.OWNER)).all()
    flagged = changed.where(Change.kind == ChangeKind.KEY).join(KeyStanding, KeyStanding.key_id == Change.object_id)
    return owners, work.session.scalars(flagged).all()


def _look(work: Clockwork, chosen: Chosen) -> tuple[Noted, str, bool]:
    """Judge the chosen keys; also say which was the last, and whether there may be more."""
    policy = work.in_force.policy
    keys = list(live_keys(work.session, policy, work.now, chosen))
    look = Look(work.session, policy, work.in_force.revision, CLOCK.id, work.now)
    report = key_impact(keys, None, policy, look.seconds)
    noted = note_standings(look, keys, {impact.key.id: impact.after for impact in report.impacts})
    if chosen.most is not None:
        note_checked(work.session, [key.id for key in keys], work.in_force.revision, work.now)
    return noted, keys[-1].id if keys else chosen.after, len(keys) == chosen.most
