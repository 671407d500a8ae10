"""The tasks of the first set-up: each done, to do, or unable to start yet, with the failing check in words."""

from collections.abc import Mapping
from dataclasses import dataclass

from flask import Response, make_response, render_template
from sqlalchemy import select

from keymgr import db
from keymgr.keys.ask import preview
from keymgr.keys.outcomes import Closed
from keymgr.people.first_admin import is_finished, is_verified
from keymgr.policy.decision import Allowed
from keymgr.policy.model import Evidence, Policy, PortalPermission, Wish
from keymgr.policy.problems import Problems
from keymgr.reconcile.apply import Invalid, TestsFailed, examine
from keymgr.reconcile.origin import NoOrigin, Origin, find_origin
from keymgr.reconcile.starter import starter_policy
from keymgr.reconcile.status import last_attempt
from keymgr.store.keys import SigningKey, SigningKeyState
from keymgr.tokens.verdicts import HTTP_MEANINGS, VerdictCode
from keymgr.web.forms import Problem, new_nonce
from keymgr.web.policy_words import is_for
from keymgr.web.portal import desk, now
from keymgr.web.visiting import in_force, visitor

TEST_KEY_SECONDS = 3600
_DONE, _TO_DO, _BLOCKED = "Done", "To do", "Cannot start yet"
_TRIED_MAX = 50


@dataclass(frozen=True, slots=True)
class Task:
    """One thing to do; `word` is Done, To do or Cannot start yet, `sentence` says what was found."""

    name: str
    title: str
    word: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Tested:
    """What the verifier answered about the test key."""

    key_id: str
    code: VerdictCode
    message: str
    service: str
    scopes: tuple[str, ...]

    @property
    def status(self) -> int:
        """The HTTP status that a service would get."""
        return HTTP_MEANINGS[self.code].status


def is_under_way() -> bool:
    """Tell whether the visitor may go on with the set-up: an admin, outside of the demo, until somebody finished it."""
    is_admin = PortalPermission.ADMIN in visitor().portal
    return is_admin and not desk().demo and not is_finished(db.session())


def tasks_page(problems: tuple[Problem, ...], status: int, tested: Tested | None = None) -> Response:
    """Show the tasks as they stand now."""
    tasks = (_admin(), _policy(), _signing_key(), _test_key(), _next_steps())
    page = render_template(
        "sign_in/tasks.html",
        tasks=tasks,
        left=sum(task.word != _DONE for task in tasks[:4]),
        tested=tested,
        starter=sorted((path, text.decode()) for path, text in starter_policy(visitor().name).items()),
        folder=str(desk().installation.policies),
        folder_is_good=in_force() is None and isinstance(folder_policy(), Origin),
        public_url=desk().public_url,
        problems=problems,
        nonce=new_nonce(),
        now=now(),
    )
    return make_response(page, status)


def folder_policy() -> Origin | str:
    """Return the policy of this machine's folder, ready to be applied, or what is wrong with it in words."""
    folder = desk().installation.policies
    origin = find_origin(folder, revision=None, allow_dirty=True)
    if isinstance(origin, NoOrigin):
        return origin.sentence
    if not isinstance(origin.files, Mapping):
        return _first(origin.files)
    found = examine(origin.files, now=now())
    match found:
        case Invalid(problems):
            return _first(problems)
        case TestsFailed(report):
            failed = report.failures[0].message if report.failures else "it has no tests."
            return f"Its own tests do not pass: {failed}"
        case _:
            return origin


def first_wish() -> Wish | None:
    """Find the smallest thing that the visitor is granted at once: one scope, for an hour."""
    opened = in_force()
    if opened is None:
        return None
    for wish in _candidates(opened.policy)[:_TRIED_MAX]:
        explanation = preview(
            db.session(),
            opened,
            asker=visitor().asker,
            wish=wish,
            evidence=Evidence({}),
            issuer=desk().issuer,
            now=now(),
        )
        if not isinstance(explanation, Closed) and isinstance(explanation.whole, Allowed):
            return wish
    return None


def _candidates(policy: Policy) -> list[Wish]:
    return [
        Wish(rule.service, environment, frozenset({scope}), TEST_KEY_SECONDS)
        for rule in policy.rules.values()
        if is_for(rule, visitor().asker) and not rule.approval.steps
        for environment in sorted(rule.environments)
        for scope in sorted(rule.scopes)
    ]


def _admin() -> Task:
    return Task("admin", "Create the first administrator", _DONE, f"You are {visitor().name}, and signed in.")


def _policy() -> Task:
    title, opened = "Put a policy in force", in_force()
    if opened is not None:
        return Task("policy", title, _DONE, f"Revision {opened.revision} of “{opened.policy.name}” is in force.")
    if desk().installation.pulls:
        attempt = last_attempt(db.session())
        said = "it has not done so yet" if attempt is None else attempt.message.partition("\n")[0]
        return Task(
            "policy", title, _TO_DO, f"The clock fetches it from the repository of KEYMGR_POLICY_PULL_URL: {said}"
        )
    found = folder_policy()
    folder = desk().installation.policies
    if isinstance(found, str):
        return Task("policy", title, _TO_DO, f"The folder {folder} cannot be used: {found}")
    return Task("policy", title, _TO_DO, f"The folder {folder} holds a good policy that is not in force yet.")


def _signing_key() -> Task:
    title = "Make a signing key"
    kid = db.session().scalar(select(SigningKey.kid).where(SigningKey.state == SigningKeyState.ACTIVE))
    if kid is None:
        return Task("signing-key", title, _TO_DO, "There is none yet; `keymgr serve` makes it when it starts.")
    return Task("signing-key", title, _DONE, f"{kid} signs.")


def _test_key() -> Task:
    title = "Issue a test key and have it verified"
    if is_verified(db.session()):
        return Task("test-key", title, _DONE, "The verifier accepted a key that was issued here.")
    hindrance = _hindrance()
    if hindrance is not None:
        return Task("test-key", title, _BLOCKED, hindrance)
    return Task("test-key", title, _TO_DO, "A key of yours for one hour, put to the verifier at once.")


def _hindrance() -> str | None:
    if not desk().issuer.enabled:
        return "Issuing is switched off by KEYMGR_ISSUING_ENABLED."
    if in_force() is None:
        return "No policy is in force."
    if first_wish() is None:
        return (
            f"The policy in force grants {visitor().name} nothing at once. Name yourself in one of its teams or roles."
        )
    return None


def _next_steps() -> Task:
    return Task("next", "Go on from here", _TO_DO, "Once the rest is done, in any order.")


def _first(problems: Problems) -> str:
    first = problems[0]
    place = "" if first.file == "." else f"{first.file}:{first.line}: "
    return f"{place}{first.message}; {first.remedy}."
