"""Hold a wish that needs approval: stored as a request, bound to a digest of exactly what was asked for."""

import hashlib
import json
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy.orm import Session

from keymgr.keys.case import Case
from keymgr.keys.mint import fresh_id
from keymgr.keys.order import Order
from keymgr.keys.outcomes import Pending
from keymgr.keys.terms import evidence_record
from keymgr.keys.trail import Event, tell
from keymgr.policy.decision import NeedsApproval
from keymgr.policy.model import Wish
from keymgr.store.keys import KeyRequest


def hold(session: Session, case: Case, decision: NeedsApproval, order: Order) -> Pending:
    """Store the request; it mints nothing and lapses by itself when nobody decides in time."""
    request = _request(case, decision, order)
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


def wish_digest(owner: str, wish: Wish, *, ttl_seconds: int, cidrs: Sequence[str]) -> str:
    """Digest exactly what is asked for, defaults filled in: an approval counts for this and nothing else."""
    wanted = {
        "owner": owner,
        "service": wish.service,
        "environment": wish.environment,
        "scopes": sorted(wish.scopes),
        "ttl_seconds": ttl_seconds,
        "cidrs": sorted(cidrs),
    }
    return hashlib.sha256(json.dumps(wanted, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _request(case: Case, decision: NeedsApproval, order: Order) -> KeyRequest:
    wish, terms, rule = case.wish, decision.terms, decision.rule
    cidrs = [str(network) for network in terms.cidrs]
    return KeyRequest(
        id=fresh_id("req", case.now),
        name=order.name,
        requester=case.actor.id,
        owner=case.asker.id,
        service=wish.service,
        environment=wish.environment,
        scopes=sorted(wish.scopes),
        cidrs=cidrs,
        ttl_seconds=terms.ttl_seconds,
        justification=order.justification,
        wish_digest=wish_digest(case.asker.id, wish, ttl_seconds=terms.ttl_seconds, cidrs=cidrs),
        rule=rule.name,
        rule_source=str(rule.source),
        revision_id=case.in_force.revision,
        evidence=evidence_record(case.evidence),
        created_at=case.now,
        expires_at=case.now + timedelta(seconds=rule.approval.request_ttl_seconds),
    )
