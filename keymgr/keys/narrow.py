"""Approve with changes: fewer scopes, a shorter life, never anything else."""

from dataclasses import dataclass, replace

from sqlalchemy.orm import Session

from keymgr.keys.case import Case
from keymgr.keys.decided import void_signatures
from keymgr.keys.hold import wish_digest
from keymgr.keys.outcomes import NotNarrower
from keymgr.keys.trail import Event, tell
from keymgr.policy.wording import all_of, span
from keymgr.store.keys import KeyRequest


@dataclass(frozen=True, slots=True)
class Narrowed:
    """What an approver leaves of the wish."""

    scopes: frozenset[str]
    ttl_seconds: int


def narrower(case: Case, narrowed: Narrowed) -> Case | NotNarrower:
    """Return the case with the narrower wish, or say what is not narrower about it."""
    wish, longest = case.wish, case.wish.ttl_seconds or 0
    added = sorted(narrowed.scopes - wish.scopes)
    if not narrowed.scopes:
        return NotNarrower("Leave at least one scope, or refuse the request.")
    if added:
        return NotNarrower(f"Nobody asked for {all_of(added)}; an approval with changes only takes scopes away.")
    if not 0 < narrowed.ttl_seconds <= longest:
        return NotNarrower(f"The lifetime can only get shorter: more than no time, at most {span(longest)}.")
    return replace(case, wish=replace(wish, scopes=narrowed.scopes, ttl_seconds=narrowed.ttl_seconds))


def rewrite(session: Session, request: KeyRequest, case: Case) -> None:
    """Put the narrower wish in place of the one that was asked for; what others signed is void."""
    wish = case.wish
    before = {"scopes": request.scopes, "ttl_seconds": request.ttl_seconds}
    keep_first_wish(request)
    request.scopes = sorted(wish.scopes)
    request.ttl_seconds = wish.ttl_seconds or request.ttl_seconds
    request.wish_digest = wish_digest(request.owner, wish, request.justification)
    void_signatures(session, request)
    session.flush()
    after = {"scopes": request.scopes, "ttl_seconds": request.ttl_seconds}
    detail = {"name": request.name, "from": before, "to": after, "wish_digest": request.wish_digest}
    event = Event("request.narrowed", "request", request.id, detail)
    tell(session, case.issuer.audit_level, case.actor, case.now, event)


def keep_first_wish(request: KeyRequest, *, changed_by: str | None = None) -> None:
    """Keep the wish as it was first sent, and who of the requester's side has changed it since: they are parties."""
    first = request.asked or {
        "scopes": list(request.scopes),
        "ttl_seconds": request.ttl_seconds,
        "cidrs": list(request.cidrs),
        "by": [],
    }
    by = sorted({*first["by"], changed_by} - {None})
    request.asked = {**first, "by": by}
