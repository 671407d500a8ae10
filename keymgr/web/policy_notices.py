"""What every page says at its top: overrides to whom they touch; drift and unreviewed emergencies to overseers."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from flask import g, url_for
from sqlalchemy.orm import Session

from keymgr import db
from keymgr.keys.overrides import Override, OverrideKind, active_overrides
from keymgr.keys.review import unreviewed
from keymgr.people.whois import Visitor
from keymgr.policy.model import Policy
from keymgr.policy.wording import count
from keymgr.reconcile.drift import DriftKind
from keymgr.reconcile.history import find_revision
from keymgr.web.forge import SHORT_COMMIT
from keymgr.web.policy_keys import count_misfits, oversees
from keymgr.web.policy_state import drift_of, has_failed, last_attempt, result_words
from keymgr.web.policy_words import is_for
from keymgr.web.portal import now, portal
from keymgr.web.visiting import in_force, is_signed_in, visitor
from keymgr.web.wording import clock, owner_words

_UNREADABLE = frozenset({DriftKind.UNREADABLE, DriftKind.HEAD_MISSING})


@dataclass(frozen=True, slots=True)
class Notice:
    """One banner; `tone` is a class of the style sheet. `cause` is the few words that tell one kind from another."""

    tone: Literal["", "stop"]
    icon: str
    cause: str
    sentence: str
    url: str
    link: str


@portal.app_context_processor
def notices_of_page() -> dict[str, Any]:
    """Give templates the banners as a function, so that a part of a page asks for none."""
    return {"notices": _notices}


def _notices() -> tuple[Notice, ...]:
    if "notices" not in g:
        g.notices = tuple(_found(db.session(), visitor())) if is_signed_in() else ()
    found: tuple[Notice, ...] = g.notices
    return found


def _found(session: Session, who: Visitor) -> Iterator[Notice]:
    opened = in_force()
    policy = None if opened is None else opened.policy
    for override in active_overrides(session, now()):
        if oversees(who) or (policy is not None and touches(override, who, policy)):
            yield _of_override(override)
    if oversees(who):
        for notice in (_of_drift(session), _of_attempt(session), _of_emergencies(session), _of_keys(session)):
            if notice is not None:
                yield notice


def touches(override: Override, who: Visitor, policy: Policy) -> bool:
    """Tell whether the visitor, or a service account they may act for, could get less because of the override."""
    if override.kind is OverrideKind.TEAM:
        return override.target in who.asker.teams
    service, _, scope = override.target.partition("/")
    return any(
        rule.service == service and (not scope or scope in rule.scopes) and is_for(rule, who.asker)
        for rule in policy.rules.values()
    )


def _of_override(override: Override) -> Notice:
    sentence = (
        f"No new keys for {override.words} until {clock(override.expires_at)}. {owner_words(override.created_by)} "
        f"stopped it: “{override.reason}”. Existing keys work as before."
    )
    return Notice("stop", "pause", "Emergency override.", sentence, url_for("web.override_list"), "Overrides")


def _of_drift(session: Session) -> Notice | None:
    drift = drift_of(session, now())
    if drift is None:
        return None
    cause = "Policy unreadable." if drift.kind in _UNREADABLE else "Database edited outside."
    hint = "Run `keymgr policy drift --fix`, or apply the policy again."
    return Notice("stop", "no", cause, f"{drift.sentence} {hint}", url_for("web.policy_page"), "Policy state")


def _of_attempt(session: Session) -> Notice | None:
    """Tell of files that could not be put in force; the revision before them still decides."""
    attempt, applied = last_attempt(session), find_revision(session)
    if attempt is None or not has_failed(attempt):
        return None
    words, state = result_words(attempt.result_code)
    still = "Nothing is in force"
    if applied is not None:
        name = applied.commit[:SHORT_COMMIT] if applied.commit else f"revision {applied.number}"
        still = f"Still enforcing {name} from {clock(applied.applied_at)}"
    cause = "Policy not applied."
    return Notice(
        "stop" if state == "refused" else "",
        "warn",
        cause,
        f"{words}. {still}.",
        url_for("web.policy_runs"),
        "See the run",
    )


def _of_emergencies(session: Session) -> Notice | None:
    """Tell of what somebody granted alone, until somebody else has looked at it."""
    number = len(unreviewed(session, now=now()))
    if not number:
        return None
    was = "was" if number == 1 else "were"
    sentence = f"{count(number, 'request')} {was} granted alone and nobody else has looked at {_it(number)} yet."
    return Notice("stop", "warn", "Emergency.", sentence, url_for("web.approval_list"), "Review")


def _it(number: int) -> str:
    return "it" if number == 1 else "them"


def _of_keys(session: Session) -> Notice | None:
    number = count_misfits(session, now())
    if not number:
        return None
    opened = in_force()
    at = (
        ""
        if opened is None
        else f" at {opened.commit[:SHORT_COMMIT] if opened.commit else f'revision {opened.revision}'}"
    )
    do = "does" if number == 1 else "do"
    sentence = f"{count(number, 'live key')} {do} not match the policy{at}."
    return Notice("", "warn", "Policy changed.", sentence, url_for("web.policy_page") + "#misfits", "See keys")
