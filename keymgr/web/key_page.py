"""One key: how it stands, why it was and is allowed, what it may do, how it is used and what happened to it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never

from flask import abort, render_template
from flask.typing import ResponseReturnValue

from keymgr import db
from keymgr.keys.detail import KeyDetail, detail
from keymgr.keys.flagged import flag_of
from keymgr.keys.rights import owner_of
from keymgr.keys.status import Status
from keymgr.keys.terms import rate_limits
from keymgr.keys.usage_hours import sources_of
from keymgr.people.whois import asker_of_owner
from keymgr.policy.decision import Allowed, Decision, Denied, NeedsApproval
from keymgr.policy.existing import Standing, Verdict
from keymgr.policy.model import InForce
from keymgr.policy.wording import span
from keymgr.web.explanation_lines import Point, points_of
from keymgr.web.forge import Forge, Place, forge_of
from keymgr.web.forms import new_nonce
from keymgr.web.grace_view import running
from keymgr.web.key_limits import limits_of
from keymgr.web.key_story import happened, reason_words
from keymgr.web.key_usage import used
from keymgr.web.portal import desk, now, portal
from keymgr.web.reveal import snippets_for
from keymgr.web.visiting import in_force, rights
from keymgr.web.wording import clock, distance, owner_words, rates

_RECENTLY = timedelta(hours=24)
_SOURCES = 10
_OVER = frozenset({Status.REVOKED, Status.EXPIRED})


@dataclass(frozen=True, slots=True)
class Today:
    """How the policy in force sees the key; `state` is one of the three classes of the style sheet.

    `anew` says what it would answer to the same wish today, where it is another policy than then.
    """

    state: str
    sentence: str
    points: tuple[Point, ...]
    anew: str


def read_key(key_id: str) -> KeyDetail:
    """Read a key the visitor may see; for every other the page does not exist (404)."""
    session = db.session()
    owner = owner_of(session, key_id, rights())
    if owner is None:
        abort(404)
    opened = in_force()
    asker = asker_of_owner(session, owner, None if opened is None else opened.policy)
    found = detail(session, key_id, rights=rights(), in_force=opened, asker=asker, now=now())
    if found is None:
        abort(404)
    return found


@portal.get("/keys/<key_id>")
def key_page(key_id: str) -> ResponseReturnValue:
    """Show one key."""
    key = read_key(key_id)
    return render_template(
        "keys/detail.html",
        key=key,
        sentence=status_sentence(key, now()),
        is_over=key.row.status is Status.REVOKED,
        is_suspended=key.row.status is Status.SUSPENDED,
        then=_then(key),
        today=_today(key, in_force()),
        flag=flag_of(db.session(), key_id, now()),
        terms=_terms(key),
        limits=None if key.row.status in _OVER else limits_of(key),
        used=used(db.session(), key, now()),
        sources=sources_of(db.session(), key_id, most=_SOURCES),
        running=running(db.session(), key_id),
        is_owner=key.row.owner in rights().owners,
        may_pause=rights().admin,
        snippets=snippets_for(key.row.service, key.row.name),
        timeline=tuple(happened(told) for told in key.timeline),
        problems=(),
        nonce=new_nonce(),
        now=now(),
    )


def status_sentence(key: KeyDetail, moment: datetime) -> str:
    """Say how the key stands in one or two sentences."""
    row = key.row
    used = "It was never used."
    if row.last_used_at is not None:
        place = f" from {row.last_used_from}" if row.last_used_from else ""
        used = f"It was last used {distance(row.last_used_at, moment)}{place}."
    ends = f"on {clock(row.token_expires_at)} ({distance(row.token_expires_at, moment)})"
    match row.status:
        case Status.ACTIVE | Status.EXPIRING:
            return f"It works until it expires {ends}. {used}"
        case Status.GRACE:
            old = "" if row.old_good_until is None else f" The old secret works until {clock(row.old_good_until)}."
            return f"It was rotated and works.{old} {used}"
        case Status.SUSPENDED:
            return f"It is out of use for now. {used}"
        case Status.EXPIRED:
            return f"It stopped working {ends}. {used}"
        case Status.REVOKED:
            by = "" if key.revoked_by is None else f" by {owner_words(key.revoked_by)}"
            at = "" if key.revoked_at is None else f" on {clock(key.revoked_at)}"
            return f"It was revoked{by}{at}: {reason_words(key.state_reason)}. No service accepts it. {used}"
        case _:  # pragma: no cover - the type checker proves that nothing is left.
            assert_never(row.status)


def was_used_recently(key: KeyDetail, moment: datetime) -> bool:
    """Tell whether the key was used within a day."""
    return key.row.last_used_at is not None and key.row.last_used_at > moment - _RECENTLY


def _then(key: KeyDetail) -> Place:
    why = key.why_then
    forge = Forge(desk().forge_url, desk().policy_folder, why.commit, why.revision)
    return forge.place_of_text(why.source)


def _today(key: KeyDetail, opened: InForce | None) -> Today | None:
    if key.why_now is None or opened is None:
        return None
    standing = key.why_now.standing
    forge = forge_of(opened, desk().forge_url, desk().policy_folder)
    anew = "" if opened.revision == key.why_then.revision else _anew(key.why_now.explanation.whole)
    return Today(*_verdict_words(standing), points_of(standing.reasons, forge), anew)


def _anew(decision: Decision) -> str:
    match decision:
        case Allowed():
            would = "it would be granted at once"
        case NeedsApproval():
            would = "it would need approval"
        case Denied():
            would = "it would not be granted"
        case _:  # pragma: no cover - the type checker proves that nothing is left.
            assert_never(decision)
    return f"The policy has changed since it was issued. Asked for today, {would}."


def _verdict_words(standing: Standing) -> tuple[str, str]:
    match standing.verdict:
        case Verdict.OK:
            return "granted", f"The policy in force allows it, by the rule {standing.rule}."
        case Verdict.OK_BY_ANOTHER_RULE:
            return "granted", f"The policy in force allows it, now by the rule {standing.rule}."
        case Verdict.EXEMPT:
            return "pending", "A waiver exempts it from a guardrail for now."
        case Verdict.UNKNOWN:
            return "pending", "It cannot be said whether the policy in force allows it: evidence is missing."
        case Verdict.VIOLATES:
            return "refused", f"The policy in force would not allow it. {_consequence(standing)}"
        case _:  # pragma: no cover - the type checker proves that nothing is left.
            assert_never(standing.verdict)


def _consequence(standing: Standing) -> str:
    if standing.action is None:
        return ""
    after = "" if standing.grace_seconds is None else f" after {span(standing.grace_seconds)}"
    return f"What follows{after}: {standing.action.value}."


def _terms(key: KeyDetail) -> tuple[tuple[str, str], ...]:
    terms = key.terms
    found = (
        ("Calls", rates(rate_limits(terms, "rate_limits"))),
        ("Calls of all the owner's keys", rates(rate_limits(terms, "owner_rate_limits"))),
        ("From", ", ".join(key.cidrs) or "any network"),
        ("New secret", _every(terms["rotate_every_seconds"])),
        ("Ends when unused for", _span(terms["idle_expiry_seconds"])),
    )
    return tuple((label, text) for label, text in found if text)


def _every(seconds: int | None) -> str:
    return "" if seconds is None else f"every {span(seconds)}"


def _span(seconds: int | None) -> str:
    return "" if seconds is None else span(seconds)
