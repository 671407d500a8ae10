"""What the first set-up does: put a policy in force, make a signing key, issue a test key and verify it, and end."""

from collections.abc import Mapping
from typing import assert_never

from flask import abort, flash, request, url_for
from flask.typing import ResponseReturnValue

from keymgr import db
from keymgr.keys.ask import ask
from keymgr.keys.order import Order
from keymgr.keys.outcomes import AlreadyDone, AskOutcome, Closed, Incomplete, Issued, Pending, PolicyMoved, Refused
from keymgr.keys.signing_keys import ensure_active
from keymgr.keys.verdict import Question
from keymgr.people.first_admin import finish_setup, note_verified
from keymgr.policy.model import Evidence
from keymgr.reconcile.apply import Applied, Invalid, apply_policy
from keymgr.reconcile.attempts import finish_attempt, start_attempt
from keymgr.reconcile.origin import Origin
from keymgr.reconcile.pull import LOCKED, Pulled, told
from keymgr.reconcile.starter import starter_policy
from keymgr.store.lock import LockNotObtained
from keymgr.tokens.verdicts import VerdictCode
from keymgr.web.forms import Problem, new_nonce
from keymgr.web.portal import address, desk, go_to, needs_recent_sign_in, now, portal
from keymgr.web.setup_tasks import Tested, first_wish, folder_policy, is_under_way, tasks_page
from keymgr.web.visiting import actor, in_force, visitor

_WAIT_SECONDS = 10.0


@portal.post("/setup/policy")
@needs_recent_sign_in
def setup_policy() -> ResponseReturnValue:
    """Put the first policy in force: the sample that names the visitor, or the folder of this machine."""
    _check_under_way()
    if in_force() is not None:
        flash("A policy is in force already. It changes by `keymgr policy apply`, not here.")
        return go_to(url_for("web.setup"))
    origin = _chosen()
    if isinstance(origin, str):
        return tasks_page((Problem("policy", origin),), 422)
    pulled = _apply(origin)
    if pulled.result_code:
        return tasks_page((Problem("policy", pulled.message),), 409)
    flash(f"The policy is in force. {pulled.message}")
    return go_to(url_for("web.setup"))


@portal.post("/setup/signing-key")
def setup_signing_key() -> ResponseReturnValue:
    """Make the first signing key, unless there is one."""
    _check_under_way()
    session = db.session()
    key = ensure_active(session, desk().issuer, now())
    session.commit()
    flash(f"{key.kid} signs.")
    return go_to(url_for("web.setup"))


@portal.post("/setup/test-key")
@needs_recent_sign_in
def setup_test_key() -> ResponseReturnValue:
    """Issue a key for an hour and put it to the verifier, as a service would; its secret goes nowhere else."""
    _check_under_way()
    wish = first_wish()
    if wish is None:
        return tasks_page(
            (Problem("test-key", "The policy grants you nothing at once, so there is nothing to test."),), 409
        )
    session = db.session()
    order = Order(
        name="first test",
        wish=wish,
        justification="",
        evidence=Evidence({"issuance.source_ip": address()}),
        seen_revision=None,
        nonce=request.form.get("nonce", "")[:64] or new_nonce(),
        person_id=visitor().person_id,
    )
    me = visitor().asker
    outcome = ask(session, in_force(), asker=me, actor=actor(), order=order, issuer=desk().issuer, now=now())
    session.commit()
    return _answer(outcome)


@portal.post("/setup/finish")
def setup_finish() -> ResponseReturnValue:
    """End the set-up: its page is there no more."""
    _check_under_way()
    session = db.session()
    finish_setup(session, actor=actor(), now=now())
    session.commit()
    flash("The set-up is finished. What it did can be done again on the pages of Admin.")
    return go_to(url_for("web.admin_page"))


def _check_under_way() -> None:
    if not is_under_way():
        abort(404)


def _chosen() -> Origin | str:
    match request.form.get("source"):
        case "sample":
            return Origin(dict(starter_policy(visitor().name)))
        case "folder":
            return folder_policy()
        case _:
            return "Choose which policy to begin with."


def _apply(origin: Origin) -> Pulled:
    """Apply as `keymgr policy apply` does, with a note about the run that stays whatever comes of it."""
    session = db.session()
    session.rollback()
    number = start_attempt(session, commit=origin.label, now=now())
    session.commit()
    try:
        outcome = (
            apply_policy(
                session,
                origin.files,
                revision=origin.label,
                ref=origin.ref,
                author=origin.author,
                applied_by=visitor().asker.id,
                now=now(),
                wait_seconds=_WAIT_SECONDS,
            )
            if isinstance(origin.files, Mapping)
            else Invalid(origin.files)
        )
        session.commit()
        pulled, digest = told(outcome), outcome.digest if isinstance(outcome, Applied) else None
    except LockNotObtained as error:
        session.rollback()
        pulled, digest = Pulled(LOCKED, str(error)), None
    finish_attempt(session, number, result_code=pulled.result_code, digest=digest, message=pulled.message, now=now())
    session.commit()
    return pulled


def _answer(outcome: AskOutcome) -> ResponseReturnValue:
    match outcome:
        case Issued():
            return tasks_page((), 200, _verified(outcome))
        case AlreadyDone():
            return go_to(url_for("web.setup"))
        case Refused(decision):
            return tasks_page(tuple(Problem("test-key", unmet.sentence) for unmet in decision.reasons), 409)
        case Closed(sentence):
            return tasks_page((Problem("test-key", sentence),), 409)
        case Pending() | Incomplete() | PolicyMoved():
            sentence = "The policy changed meanwhile and does not grant this at once any more. Try again."
            return tasks_page((Problem("test-key", sentence),), 409)
        case _:  # pragma: no cover - the type checker proves that nothing is left.
            assert_never(outcome)


def _verified(issued: Issued) -> Tested:
    """Ask the verifier about the key as a service would, and note that it was accepted."""
    question = Question(issued.token, issued.service, frozenset(issued.scopes), issued.environment)
    verdict = desk().verifier.verify(question, now())
    if verdict.code is VerdictCode.OK:
        session = db.session()
        note_verified(session, issued.key_id, actor=actor(), now=now())
        session.commit()
    return Tested(issued.key_id, verdict.code, verdict.message, issued.service, issued.scopes)
