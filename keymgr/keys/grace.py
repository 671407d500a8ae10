"""The grace after a rotation, in which the old secret still works: read it, end it now, or extend it within policy."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from keymgr.keys.nonce import Submit, once
from keymgr.keys.outcomes import AlreadyDone, NotNow, NotYours
from keymgr.keys.rights import Rights, hold_key
from keymgr.keys.trail import Event, tell
from keymgr.policy.model import InForce
from keymgr.store.audit import Actor, AuditLevel
from keymgr.store.changes import ChangeKind, announce
from keymgr.store.keys import Credential, CredentialState, Key, KeyState


@dataclass(frozen=True, slots=True)
class Grace:
    """A grace that is running: the old secret works until `ends_at`, and with an extension at most until `latest`.

    `first_used_at` is when the new secret was used first; until then the rotation can be undone.
    """

    old_id: str
    new_id: str
    began_at: datetime
    ends_at: datetime
    latest: datetime
    first_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class GraceEnded:
    """The old secret is out of use; from the commit on no verifier of this node accepts it."""

    key_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class GraceExtended:
    """The old secret works until `until`."""

    key_id: str
    until: datetime


EndGraceOutcome = GraceEnded | NotYours | NotNow | AlreadyDone
ExtendGraceOutcome = GraceExtended | NotYours | NotNow | AlreadyDone


@dataclass(frozen=True, slots=True)
class Pair:
    """The two credentials of a grace, both held until commit."""

    old: Credential
    new: Credential


def grace_of(session: Session, in_force: InForce | None, key_id: str, now: datetime) -> Grace | None:
    """Read the grace that is running for a key; None when there is none."""
    key = session.get(Key, key_id)
    pair = None if key is None else pair_of(session, key_id, now, hold=False)
    if key is None or pair is None:
        return None
    ends_at = pair.old.retires_at or now
    latest = max(ends_at, _latest(key, pair, in_force))
    return Grace(pair.old.id, pair.new.id, pair.new.issued_at, ends_at, latest, pair.new.first_used_at)


def end_grace(
    session: Session,
    *,
    key_id: str,
    actor: Actor,
    rights: Rights,
    submit: Submit | None,
    level: AuditLevel,
    now: datetime,
) -> EndGraceOutcome:
    """Take the old secret out of use now: for the owner, and for an admin, because it only stops."""

    def work() -> EndGraceOutcome:
        key = hold_key(session, key_id, rights.stoppable)
        if key is None:
            return NotYours()
        pair = pair_of(session, key_id, now)
        if pair is None:
            return no_grace(key)
        was = pair.old.retires_at
        pair.old.state = CredentialState.RETIRED
        pair.old.retired_at = now
        pair.old.retires_at = now
        session.flush()
        detail = {"credential": pair.old.id, "was_good_until": None if was is None else was.isoformat()}
        changed(session, key, "key.grace_ended", detail, actor=actor, level=level, now=now)
        return GraceEnded(key.id, now)

    return once(session, submit, "end_grace", now, about=key_id, work=work, made=_made)


def extend_grace(
    session: Session,
    in_force: InForce | None,
    *,
    key_id: str,
    until: datetime,
    actor: Actor,
    rights: Rights,
    submit: Submit | None,
    level: AuditLevel,
    now: datetime,
) -> ExtendGraceOutcome:
    """Let the old secret work until `until`: for the owner, no longer than the rule allows from the rotation on.

    What counts is the shorter of what the key was granted and what its rule says in the policy in force.
    """

    def work() -> ExtendGraceOutcome:
        key = hold_key(session, key_id, rights.owners)
        if key is None:
            return NotYours()
        pair = pair_of(session, key_id, now)
        if pair is None:
            return no_grace(key)
        refused = _may_not_extend(key, pair, in_force, until)
        if refused is not None:
            return refused
        was = pair.old.retires_at
        pair.old.retires_at = until
        session.flush()
        detail = {
            "credential": pair.old.id,
            "was_good_until": None if was is None else was.isoformat(),
            "old_good_until": until.isoformat(),
        }
        changed(session, key, "key.grace_extended", detail, actor=actor, level=level, now=now)
        return GraceExtended(key.id, until)

    return once(session, submit, "extend_grace", now, about=key_id, work=work, made=_made)


def pair_of(session: Session, key_id: str, now: datetime, *, hold: bool = True) -> Pair | None:
    """Read the old and the new credential of a running grace and, with `hold`, keep others from changing them."""
    statement = select(Credential).where(Credential.key_id == key_id, Credential.state != CredentialState.RETIRED)
    if hold:
        statement = statement.with_for_update()
    found = session.scalars(statement.execution_options(populate_existing=True)).all()
    new = next((each for each in found if each.state == CredentialState.CURRENT), None)
    old = next((each for each in found if each.retires_at is not None and each.retires_at > now), None)
    return None if old is None or new is None else Pair(old, new)


def no_grace(key: Key) -> NotNow:
    """Say that there is nothing to end, to extend or to undo."""
    return NotNow(f"No old secret of the key “{key.name}” works any more: its grace is over.")


def changed(
    session: Session,
    key: Key,
    action: str,
    detail: dict[str, str | None],
    *,
    actor: Actor,
    level: AuditLevel,
    now: datetime,
) -> None:
    """Tell the trail what was done to a grace, and verifiers to look at the key again."""
    about = {"name": key.name, "owner": key.owner, **detail}
    tell(session, level, actor, now, Event(action, "key", key.id, about))
    announce(session, ChangeKind.KEY, key.id, now)


def _may_not_extend(key: Key, pair: Pair, in_force: InForce | None, until: datetime) -> NotNow | None:
    if key.state != KeyState.ACTIVE:
        return NotNow(f"The key “{key.name}” is {key.state}; the grace of an active key only can be extended.")
    latest = _latest(key, pair, in_force)
    if until > latest:
        return NotNow(f"The rule {key.rule} lets the old secret work until {_utc(latest)} at most.")
    if pair.old.retires_at is not None and until <= pair.old.retires_at:
        return NotNow(f"The old secret works until {_utc(pair.old.retires_at)} already. Choose a later moment.")
    return None


def _latest(key: Key, pair: Pair, in_force: InForce | None) -> datetime:
    """Work out the latest end; without a rule in force that vouches for it, nothing is added."""
    rule = None if in_force is None else in_force.policy.rules.get(key.rule)
    if rule is None:
        return pair.new.issued_at
    seconds = min(key.terms["rotation_overlap_seconds"], rule.limits.rotation_overlap_seconds)
    return min(pair.new.issued_at + timedelta(seconds=seconds), pair.old.expires_at)


def _utc(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _made(outcome: EndGraceOutcome | ExtendGraceOutcome) -> str | None:
    return outcome.key_id if isinstance(outcome, GraceEnded | GraceExtended) else None
