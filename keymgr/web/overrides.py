"""The emergency override: stop issuing for one service, scope or team for hours; it can only narrow."""

from typing import assert_never

from flask import Response, abort, flash, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from keymgr import db
from keymgr.keys.nonce import Submit
from keymgr.keys.outcomes import AlreadyDone
from keymgr.keys.overrides import OverrideKind, active_overrides
from keymgr.people.whois import Visitor
from keymgr.policy.model import Policy, PortalPermission
from keymgr.reconcile.overrides import (
    HOURS_USUAL,
    REASON_LENGTH_MAX,
    Flaw,
    Lifted,
    NotActive,
    NotPlaced,
    Placed,
    Stop,
    lift,
    place,
)
from keymgr.store.lock import own_policy
from keymgr.store.policies import PolicyOverride
from keymgr.web.drafts import typed
from keymgr.web.forms import Problem, new_nonce, one_line
from keymgr.web.portal import desk, go_to, now, portal
from keymgr.web.visiting import actor, in_force, visitor
from keymgr.web.wording import clock

_HOURS = (1, 4, 8, 24, 48, 72)
_WAIT_SECONDS = 10.0
_SHOWN = 50
_FIELDS = {"kind": "target", "target": "target", "reason": "reason", "hours": "hours"}


@portal.get("/policy/overrides")
def override_list() -> ResponseReturnValue:
    """Show what is stopped, what was, and the form to those who may use it."""
    return _page((), 200)


@portal.post("/policy/overrides")
def override_place() -> ResponseReturnValue:
    """Stop issuing; waits for asks that are under way, so that none of them slips through."""
    opened, submit = in_force(), Submit(request.form.get("nonce", "")[:64] or new_nonce(), visitor().person_id)
    _check_may(None if opened is None else opened.policy)
    if opened is None:
        return _page((Problem("", "No policy is in force, so nothing is issued anyway."),), 409)
    session = db.session()
    session.rollback()
    own_policy(session, _WAIT_SECONDS)
    outcome = place(
        session,
        _stop(),
        policy=opened.policy,
        actor=actor(),
        submit=submit,
        level=desk().issuer.audit_level,
        now=now(),
    )
    session.commit()
    match outcome:
        case Placed():
            flash(f"Issuing is stopped until {clock(outcome.expires_at)}. You can lift it early below.")
            return go_to(url_for("web.override_list"))
        case AlreadyDone():
            return go_to(url_for("web.override_list"))
        case NotPlaced(flaws):
            return _page(tuple(_problem(flaw) for flaw in flaws), 422)
        case _:  # pragma: no cover - the type checker proves that nothing is left.
            assert_never(outcome)


@portal.post("/policy/overrides/<override_id>/lift")
def override_lift(override_id: str) -> ResponseReturnValue:
    """End an override early; for those who may not, there is nothing here."""
    opened, session = in_force(), db.session()
    if not may_override(visitor(), None if opened is None else opened.policy):
        abort(404)
    outcome = lift(session, override_id, actor=actor(), level=desk().issuer.audit_level, now=now())
    session.commit()
    match outcome:
        case Lifted():
            flash("The override is lifted. Keys are issued again as the policy says.")
        case NotActive():
            flash("This override is over already; there is nothing left to lift.")
        case _:  # pragma: no cover - the type checker proves that nothing is left.
            assert_never(outcome)
    return go_to(url_for("web.override_list"))


def may_override(who: Visitor, policy: Policy | None) -> bool:
    """Tell whether the visitor may stop issuing: a portal admin, or named for emergencies by an approval policy."""
    if PortalPermission.ADMIN in who.portal:
        return True
    named = (approval.break_glass for approval in policy.approvals.values()) if policy else ()
    return any(name.casefold() == who.name for names in named for name in names)


def _check_may(policy: Policy | None) -> None:
    if not may_override(visitor(), policy):
        abort(403, "Only portal admins, and people whom the policy names for emergencies, may stop issuing. Ask one.")


def _stop() -> Stop:
    """Read the form; the target carries its kind, as `service:payments` or `scope:payments/refunds:write`."""
    kind, _, target = request.form.get("target", "")[:300].partition(":")
    hours = request.form.get("hours", "")
    number = int(hours) if hours.isascii() and hours.isdigit() and len(hours) < 4 else None  # noqa: PLR2004 - 72 at most.
    return Stop(kind, target, one_line(request.form.get("reason")), number)


def _problem(flaw: Flaw) -> Problem:
    return Problem(_FIELDS[flaw.field], flaw.sentence)


def _page(problems: tuple[Problem, ...], status: int) -> Response:
    session, opened = db.session(), in_force()
    policy = None if opened is None else opened.policy
    active = active_overrides(session, now())
    over = select(PolicyOverride).where(PolicyOverride.id.not_in([each.id for each in active]))
    past = session.scalars(over.order_by(PolicyOverride.created_at.desc()).limit(_SHOWN)).all()
    page = render_template(
        "policy/overrides.html",
        active=active,
        past=past,
        may=may_override(visitor(), policy),
        targets=_targets(policy),
        hours=_HOURS,
        typed={
            "target": typed().get("target", ""),
            "reason": typed().get("reason", ""),
            "hours": typed().get("hours", str(HOURS_USUAL)),
        },
        reason_length_max=REASON_LENGTH_MAX,
        problems=problems,
        nonce=new_nonce(),
        now=now(),
    )
    return make_response(page, status)


def _targets(policy: Policy | None) -> list[tuple[str, list[tuple[str, str]]]]:
    """Offer everything that can be stopped, by kind."""
    if policy is None:
        return []
    scopes = [f"{service.name}/{scope}" for service in policy.services.values() for scope in service.scopes]
    offered = (
        ("Services", OverrideKind.SERVICE, sorted(policy.services)),
        ("Scopes", OverrideKind.SCOPE, scopes),
        ("Teams", OverrideKind.TEAM, sorted(policy.teams)),
    )
    return [(label, [(f"{kind.value}:{name}", name) for name in names]) for label, kind, names in offered if names]
