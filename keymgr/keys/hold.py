"""Hold a wish that needs approval: stored as a request, bound to a digest of exactly what was asked for."""

import hashlib
import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from keymgr.keys.case import Case
from keymgr.keys.mint import fresh_id
from keymgr.keys.order import Order
from keymgr.keys.outcomes import Lack, Pending
from keymgr.keys.terms import evidence_record
from keymgr.keys.trail import Event, tell
from keymgr.policy.decision import Allowed, NeedsApproval
from keymgr.policy.model import Wish
from keymgr.store.keys import KeyRequest, RequestState

WAITING_MAX = 20
"""How many requests of one owner may wait at the same time, so that nobody floods the approvers."""


def hold(session: Session, case: Case, decision: NeedsApproval, order: Order) -> Pending:
    """Store the request; it mints nothing and lapses by itself when nobody decides in time."""
    request = KeyRequest(
        id=fresh_id("req", case.now),
        requester=case.actor.id,
        owner=case.asker.id,
        created_at=case.now,
        **wished(case, decision, order),
    )
    session.add(request)
    session.flush()
    detail = {
        "name": request.name,
        "owner": request.owner,
        "wish_digest": request.wish_digest,
        "rule": request.rule,
        "source": request.rule_source,
        "revision": request.revision_id,
        "approval": decision.rule.approval.name,
    }
    event = Event("request.made", "request", request.id, detail, case.whole)
    tell(session, case.issuer.audit_level, case.actor, case.now, event)
    return Pending(request.id, request.expires_at, decision)


def wished(case: Case, decision: Allowed | NeedsApproval, order: Order) -> dict[str, Any]:
    """Write out what is asked for and why it may be granted, as columns of a request; its waiting starts now."""
    rule, terms = decision.rule, decision.terms
    wish = replace(case.wish, ttl_seconds=terms.ttl_seconds, cidrs=tuple(str(network) for network in terms.cidrs))
    return {
        "name": order.name,
        "service": wish.service,
        "environment": wish.environment,
        "scopes": sorted(wish.scopes),
        "cidrs": list(wish.cidrs),
        "ttl_seconds": terms.ttl_seconds,
        "justification": order.justification,
        "wish_digest": wish_digest(case.asker.id, wish, order.justification),
        "rule": rule.name,
        "rule_source": str(rule.source),
        "revision_id": case.in_force.revision,
        "evidence": evidence_record(case.evidence),
        "expires_at": case.now + timedelta(seconds=rule.approval.request_ttl_seconds),
    }


def wish_digest(owner: str, wish: Wish, justification: str) -> str:
    """Digest exactly what is asked for and why, defaults filled in: an approval counts for this and nothing else."""
    wanted = {
        "owner": owner,
        "service": wish.service,
        "environment": wish.environment,
        "scopes": sorted(wish.scopes),
        "ttl_seconds": wish.ttl_seconds,
        "cidrs": sorted(wish.cidrs),
        "justification": justification,
    }
    return hashlib.sha256(json.dumps(wanted, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def crowded(session: Session, owner: str, now: datetime, *, beside: str = "") -> Lack | None:
    """Say that too many requests of the owner wait already, `beside` not counted; None when there is room.

    The count is exact where the owner's turn has been taken.
    """
    waits = (KeyRequest.state == RequestState.WAITING, KeyRequest.expires_at > now, KeyRequest.id != beside)
    statement = select(func.count()).select_from(KeyRequest).where(KeyRequest.owner == owner, *waits)
    if (session.scalar(statement) or 0) < WAITING_MAX:
        return None
    name = owner.partition(":")[2]
    sentence = f"{WAITING_MAX} requests for {name} wait for approval already, and more may not. Withdraw one, or wait."
    return Lack("explain", sentence)
