"""Whom waiting requests wait for, for whoever looks after their owners."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from keymgr.keys.routing import AskerOf, approval_now, parties_of, remembering, route, signed_of_waiting
from keymgr.policy.approving import StepStanding, steps_of
from keymgr.policy.model import InForce
from keymgr.store.keys import KeyRequest, RequestState


def waiting_on(
    session: Session, opened: InForce, owners: frozenset[str], *, asker_of: AskerOf, now: datetime
) -> Mapping[str, tuple[StepStanding, ...]]:
    """Say how the steps of each waiting request for keys of `owners` stand; one that is refused now is left out."""
    look_up = remembering(asker_of)
    signed = signed_of_waiting(session)
    waiting = (KeyRequest.state == RequestState.WAITING, KeyRequest.expires_at > now)
    found = {}
    for request in session.scalars(select(KeyRequest).where(*waiting, KeyRequest.owner.in_(sorted(owners)))):
        approval = approval_now(opened, request, look_up, now)
        if approval is not None:
            way = route(approval, signed.get(request.id, ()), parties=parties_of(request), asker_of=look_up)
            found[request.id] = steps_of(approval, way.signatures)
    return found
