"""Break the glass: somebody the policy names grants a request alone, in an emergency, and others look at it after."""

import logging
from datetime import datetime
from typing import assert_never

from sqlalchemy.orm import Session

from keymgr.keys.approvals import CHANGED
from keymgr.keys.decided import approve_request, reroute, tell_barred, tell_denied
from keymgr.keys.issuer import Issuer
from keymgr.keys.nonce import Submit, once
from keymgr.keys.outcomes import (
    Approved,
    BreakGlassOutcome,
    Changed,
    Incomplete,
    MayNotDecide,
    NotNow,
    NotYours,
    Refused,
)
from keymgr.keys.overrides import stopped
from keymgr.keys.request_states import not_waiting
from keymgr.keys.routing import AskerOf, is_stranger, parties_of
from keymgr.keys.saying import tidy_text
from keymgr.keys.take_up import Taken, take_up
from keymgr.policy.approving import barred, may_break_glass
from keymgr.policy.decision import Allowed, Decision, Denied, NeedsApproval
from keymgr.policy.model import Asker, InForce
from keymgr.store.audit import Actor

_LOG = logging.getLogger("keymgr.keys.break_glass")
_ACTION = "request.break_glass"
_WHY = "Say what the emergency is; somebody else reads it afterwards."


def break_glass(
    session: Session,
    in_force: InForce | None,
    *,
    request_id: str,
    granter: Asker,
    actor: Actor,
    asker_of: AskerOf,
    seen_digest: str,
    reason: str,
    submit: Submit | None,
    issuer: Issuer,
    now: datetime,
) -> BreakGlassOutcome:
    """Approve a request without its steps. Guardrails hold all the same, and so does that nobody grants their own."""
    tidied = tidy_text(reason, "reason", _WHY)
    if isinstance(tidied, Incomplete):
        return tidied

    def work() -> BreakGlassOutcome:
        taken = take_up(
            session, in_force, request_id=request_id, actor=actor, asker_of=asker_of, issuer=issuer, now=now
        )
        if not isinstance(taken, Taken):
            return taken
        decision = taken.case.decide()
        return _obstacle(session, taken, granter, decision, seen_digest) or _grant(
            session, taken, granter, decision, tidied
        )

    return once(session, submit, "break_glass", now, about=request_id, work=work, made=_made)


def _obstacle(
    session: Session, taken: Taken, granter: Asker, decision: Decision, seen_digest: str
) -> BreakGlassOutcome | None:
    request, case = taken.request, taken.case
    approval = None if isinstance(decision, Denied) else decision.rule.approval
    if is_stranger(case.in_force, request, approval, granter):
        tell_barred(session, request, case, _ACTION, "The request is none of theirs.")
        return NotYours()
    parties = parties_of(request)
    bar = barred(granter, parties)
    if bar is None and isinstance(decision, NeedsApproval):
        bar = may_break_glass(decision.rule.approval, granter, parties=parties)
    if bar is not None:
        tell_barred(session, request, case, _ACTION, bar.sentence)
        return MayNotDecide(bar.sentence)
    changed = None if seen_digest == request.wish_digest else Changed(CHANGED)
    return not_waiting(request, case.now) or changed or stopped(session, case.asker, case.wish, case.now)


def _grant(
    session: Session, taken: Taken, granter: Asker, decision: Decision, reason: str
) -> Approved | Refused | NotNow:
    request, case = taken.request, taken.case
    match decision:
        case Denied():
            tell_denied(session, request, case, _ACTION, decision)
            return Refused(decision)
        case Allowed():
            return NotNow("The policy grants this at once by now: the requester can claim it, and no glass is broken.")
        case NeedsApproval():
            request.break_glass = True
            reroute(request, case, decision)
            approved = approve_request(session, request, case, by=granter.id, reason=reason, action=_ACTION)
            _LOG.warning(
                "Emergency: %s alone granted the request %s of %s for %s in %s. It waits for review by somebody else.",
                granter.id,
                request.id,
                request.owner,
                request.service,
                request.environment,
            )
            return approved
        case _:  # pragma: no cover - the type checker proves that nothing is left.
            assert_never(decision)


def _made(outcome: BreakGlassOutcome) -> str | None:
    return outcome.request_id if isinstance(outcome, Approved) else None
