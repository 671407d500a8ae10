"""Suspending, reactivating and letting go of owners of keys: a page first says what becomes of their keys."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import assert_never

from flask import Response, abort, flash, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue

from keymgr import db
from keymgr.keys.leaving import Leaving, keys_that_stay
from keymgr.people.directory import find_service_account
from keymgr.people.enrol import set_person_state
from keymgr.people.service_accounts import set_service_account_state
from keymgr.people.whois import PERSON_PREFIX, SERVICE_ACCOUNT_PREFIX
from keymgr.policy.model import OwnerExit, PortalPermission
from keymgr.store.people import PersonState
from keymgr.web.admin_people import read_person
from keymgr.web.drafts import typed
from keymgr.web.forms import Problem, new_nonce, one_line
from keymgr.web.once import once_only
from keymgr.web.permission import needs
from keymgr.web.portal import go_to, needs_recent_sign_in, now, portal
from keymgr.web.visiting import actor, in_force, visitor

_REASON_LENGTH_MAX = 200
_SHOWN = 100
_ENDINGS = {
    OwnerExit.REVOKE: "is revoked for good",
    OwnerExit.SUSPEND: "is suspended, and works again if its owner comes back",
    OwnerExit.TRANSFER: "is suspended; the team asks for a key of its own",
}


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose state changes: `set` does it, given the new state and the reason; `back` is their own page."""

    owner: str
    name: str
    title: str
    state: PersonState
    back: str
    submit: str
    set: Callable[[PersonState, str], None]


@portal.get("/admin/people/<name>/state")
@needs(PortalPermission.ADMIN)
def admin_person_state(name: str) -> ResponseReturnValue:
    """Say what follows for somebody's keys and sessions, before anything is changed."""
    return _page(_person(name), _wanted(typed().get("to") or request.args.get("to")), (), 200)


@portal.post("/admin/people/<name>/state")
@needs_recent_sign_in
@needs(PortalPermission.ADMIN)
def admin_person_state_set(name: str) -> ResponseReturnValue:
    """Change whether somebody may act."""
    return _change(_person(name))


@portal.get("/admin/service-accounts/<account>/state")
@needs(PortalPermission.ADMIN)
def admin_account_state(account: str) -> ResponseReturnValue:
    """Say what follows for a service account's keys, before anything is changed."""
    return _page(_account(account), _wanted(typed().get("to") or request.args.get("to")), (), 200)


@portal.post("/admin/service-accounts/<account>/state")
@needs_recent_sign_in
@needs(PortalPermission.ADMIN)
def admin_account_state_set(account: str) -> ResponseReturnValue:
    """Change whether a service account may act."""
    return _change(_account(account))


def _person(name: str) -> Subject:
    person = read_person(name)

    def set_state(state: PersonState, reason: str) -> None:
        set_person_state(db.session(), person, state, actor=actor(), now=now(), reason=reason)

    url = partial(url_for, name=name)
    return Subject(
        owner=PERSON_PREFIX + person.name,
        name=person.name,
        title=person.display_name,
        state=PersonState(person.state),
        back=url("web.admin_person"),
        submit=url("web.admin_person_state_set"),
        set=set_state,
    )


def _account(name: str) -> Subject:
    account = find_service_account(db.session(), name)
    if account is None:
        abort(404)

    def set_state(state: PersonState, reason: str) -> None:
        set_service_account_state(db.session(), account, state, actor=actor(), now=now(), reason=reason)

    return Subject(
        owner=SERVICE_ACCOUNT_PREFIX + account.name,
        name=account.name,
        title=f"the service account {account.name}",
        state=PersonState(account.state),
        back=url_for("web.admin_accounts"),
        submit=url_for("web.admin_account_state_set", account=name),
        set=set_state,
    )


def _change(subject: Subject) -> ResponseReturnValue:
    to, reason = _wanted(request.form.get("to")), one_line(request.form.get("reason"))[:_REASON_LENGTH_MAX]
    problems = _problems(subject, to)
    if to is None or problems:
        return _page(subject, to, problems, 422)
    once_only("owner.state", f"{subject.owner} {to}", lambda: subject.set(to, reason), lambda _done: subject.name[:40])
    db.session().commit()
    flash(_said(subject, to))
    return go_to(subject.back)


def _problems(subject: Subject, to: PersonState | None) -> tuple[Problem, ...]:
    if to is None:
        return (Problem("to", "Choose what is to become of it."),)
    if subject.owner == visitor().asker.id and to is not PersonState.ACTIVE:
        return (Problem("", "You cannot do this to yourself. Another administrator can."),)
    typed = request.form.get("typed", "").strip().casefold()
    if to is PersonState.LEFT and _keys(subject) and typed != subject.name:
        return (Problem("typed", f"Type the name to go on: {subject.name}"),)
    return ()


def _said(subject: Subject, to: PersonState) -> str:
    start = f"{subject.title[0].upper()}{subject.title[1:]}"
    match to:
        case PersonState.ACTIVE:
            return f"{start} may act again; keys that nobody else took out of use work again."
        case PersonState.SUSPENDED:
            return f"{start} is suspended: every key is refused from the next call on."
        case PersonState.LEFT:
            return (
                f"{start} has left: every key is refused from the next call on, and the clock does what its rule says."
            )
        case _:  # pragma: no cover - the type checker proves that nothing is left.
            assert_never(to)


def _wanted(text: str | None) -> PersonState | None:
    return next((word for word in PersonState if word.value == text), None)


def _keys(subject: Subject) -> tuple[Leaving, ...]:
    opened = in_force()
    return keys_that_stay(db.session(), subject.owner, None if opened is None else opened.policy, now())


def _page(subject: Subject, to: PersonState | None, problems: tuple[Problem, ...], status: int) -> Response:
    keys = _keys(subject)
    page = render_template(
        "admin/state.html",
        subject=subject,
        to=to,
        states=[state for state in PersonState if state is not subject.state],
        keys=keys[:_SHOWN],
        total=len(keys),
        endings=_ENDINGS,
        is_me=subject.owner == visitor().asker.id,
        typed=typed().get("typed", ""),
        reason=typed().get("reason", ""),
        reason_length_max=_REASON_LENGTH_MAX,
        problems=problems,
        nonce=new_nonce(),
        now=now(),
    )
    return make_response(page, status)
