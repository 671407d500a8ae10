"""Take up a request to act on it: the policy kept from changing, the row kept from others, the case opened anew."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from keymgr.keys.case import Case
from keymgr.keys.gate import gate, gate_under_lock
from keymgr.keys.held import with_keys_held
from keymgr.keys.issuer import Issuer
from keymgr.keys.outcomes import Closed, NotNow, NotYours
from keymgr.keys.routing import AskerOf, wish_of
from keymgr.keys.terms import evidence_of
from keymgr.policy.model import InForce
from keymgr.store.audit import Actor
from keymgr.store.keys import KeyRequest


@dataclass(frozen=True, slots=True)
class Taken:
    """A request nobody else changes until commit, and its wish as a case under the policy in force."""

    request: KeyRequest
    case: Case
    asker_of: AskerOf


def take_up(
    session: Session,
    in_force: InForce | None,
    *,
    request_id: str,
    actor: Actor,
    asker_of: AskerOf,
    issuer: Issuer,
    now: datetime,
) -> Taken | Closed | NotYours | NotNow:
    """Lock in the order that asking does: policy, owner, row. A request that is not there is `NotYours`."""
    closed = gate(in_force, issuer)
    if isinstance(closed, Closed):
        return closed
    owner = owner_of_request(session, request_id)
    if owner is None:
        return NotYours()
    opened = gate_under_lock(session, in_force, issuer, owner=owner)
    if isinstance(opened, Closed):
        return opened
    request = lock_request(session, request_id)
    asker = asker_of(owner)
    if asker is None:
        return NotNow(
            f"The owner {owner.partition(':')[2]} of this request is not known any more. Nothing was changed."
        )
    wish = wish_of(request)
    evidence = with_keys_held(session, evidence_of(request.evidence), owner=owner, wish=wish, now=now)
    return Taken(request, Case(opened, asker, actor, wish, evidence, issuer, now), asker_of)


def owner_of_request(session: Session, request_id: str) -> str | None:
    """Find whose key a request asks for, which never changes; None when there is no such request."""
    return session.scalar(select(KeyRequest.owner).where(KeyRequest.id == request_id))


def lock_request(session: Session, request_id: str) -> KeyRequest:
    """Read a request that is known to exist and keep others from changing it until commit."""
    statement = select(KeyRequest).where(KeyRequest.id == request_id)
    return session.scalars(statement.with_for_update().execution_options(populate_existing=True)).one()
