"""Service accounts as admins look after them: machines that own keys, each answered for by a team of the policy."""

from typing import assert_never

from flask import Response, flash, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue

from keymgr import db
from keymgr.keys.outcomes import AlreadyDone
from keymgr.people.directory import find_service_accounts
from keymgr.people.enrol import NotAdded
from keymgr.people.names import BadName
from keymgr.people.service_accounts import add_service_account
from keymgr.policy.model import PortalPermission
from keymgr.store.people import ServiceAccount
from keymgr.web.drafts import typed
from keymgr.web.forms import Problem, new_nonce, one_line
from keymgr.web.once import once_only
from keymgr.web.permission import needs
from keymgr.web.portal import go_to, needs_recent_sign_in, now, portal
from keymgr.web.visiting import actor, in_force


@portal.get("/admin/service-accounts")
@needs(PortalPermission.ADMIN)
def admin_accounts() -> ResponseReturnValue:
    """Show all service accounts, and the form that adds one."""
    return _page((), 200)


@portal.post("/admin/service-accounts")
@needs_recent_sign_in
@needs(PortalPermission.ADMIN)
def admin_account_add() -> ResponseReturnValue:
    """Add a service account of a team."""
    name, team = one_line(request.form.get("name")), request.form.get("team", "")
    session = db.session()
    problems = tuple(_problems(name, team))
    if problems:
        return _page(problems, 422)
    try:
        outcome = once_only(
            "service_account.add",
            name[:200],
            lambda: add_service_account(session, name, team, actor=actor(), now=now()),
            lambda made: made.id if isinstance(made, ServiceAccount) else None,
        )
    except BadName as error:
        session.rollback()
        return _page((Problem("name", str(error)),), 422)
    session.commit()
    match outcome:
        case ServiceAccount():
            flash(f"{outcome.name} may own keys; members of {team} ask for them.")
        case NotAdded(sentence):
            return _page((Problem("name", sentence),), 422)
        case AlreadyDone():
            pass
        case _:  # pragma: no cover - the type checker proves that nothing is left.
            assert_never(outcome)
    return go_to(url_for("web.admin_accounts"))


def _problems(name: str, team: str) -> list[Problem]:
    found = [] if name else [Problem("name", "Choose a name.")]
    if team not in _teams():
        found.append(Problem("team", "Choose the team that answers for it."))
    return found


def _teams() -> tuple[str, ...]:
    opened = in_force()
    return () if opened is None else tuple(sorted(opened.policy.teams))


def _page(problems: tuple[Problem, ...], status: int) -> Response:
    page = render_template(
        "admin/accounts.html",
        accounts=find_service_accounts(db.session()),
        teams=_teams(),
        typed=typed(),
        problems=problems,
        nonce=new_nonce(),
        now=now(),
    )
    return make_response(page, status)
