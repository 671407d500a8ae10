"""What needs the visitor: keys that misfit, end or want a new secret, graces, claims, questions and approvals."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from flask import url_for
from sqlalchemy.orm import Session

from keymgr.keys.conversation import last_authors
from keymgr.keys.flagged import Flagged, flagged_keys
from keymgr.keys.inbox import inbox
from keymgr.keys.listing import Filters, KeyRow, Sort, listing
from keymgr.keys.requests import RequestRow
from keymgr.keys.review import unreviewed
from keymgr.keys.status import EXPIRING, Status
from keymgr.policy.approving import May
from keymgr.policy.model import ViolationAction
from keymgr.store.keys import RequestState
from keymgr.web.colleagues import is_official, looking_up
from keymgr.web.portal import now
from keymgr.web.visiting import in_force, rights, visitor
from keymgr.web.wording import clock, distance, owner_words

_ROTATE_SOON = timedelta(days=7)
_MOST_FLAGGED = 50
_LATEST = datetime.max.replace(tzinfo=UTC)
_DONE = {ViolationAction.SUSPEND: "suspended", ViolationAction.EXPIRE: "expired", ViolationAction.REVOKE: "revoked"}


@dataclass(frozen=True, slots=True)
class Need:
    """One thing to do: about what, why, by when, and the button that does it. `kind` is one of `KINDS`."""

    kind: str
    icon: str
    name: str
    url: str
    sentence: str
    at: datetime | None
    button: str
    action: str


def kinds() -> dict[str, tuple[str, str, str]]:
    """Name one and several of each kind of need for a list, and where all of them are."""
    keys, waiting = url_for("web.key_list"), url_for("web.request_list", state="waiting")
    ending = url_for("web.key_list", status=Status.EXPIRING.value)
    grace = url_for("web.key_list", status=Status.GRACE.value)
    return {
        "misfit": ("key that no longer fits the policy", "keys that no longer fit the policy", keys),
        "expiring": ("key that expires within 14 days", "keys that expire within 14 days", ending),
        "due": ("key that wants a new secret", "keys that want a new secret", keys),
        "grace": ("old secret that still works", "old secrets that still work", grace),
        "claim": ("key ready to claim", "keys ready to claim", url_for("web.request_list")),
        "question": ("request with a question for you", "requests with a question for you", waiting),
        "review": ("emergency that nobody reviewed", "emergencies that nobody reviewed", url_for("web.approval_list")),
        "approval": ("request that waits for you", "requests that wait for you", url_for("web.approval_list")),
    }


def needs_of(session: Session, requests: tuple[RequestRow, ...]) -> tuple[Need, ...]:
    """List everything that needs the visitor, the most pressing first; `requests` are the visitor's own."""
    flagged = flagged_keys(session, rights().owners, now(), most=_MOST_FLAGGED)
    rows = listing(session, rights().owners, now=now(), sort=Sort.EXPIRES).rows
    live = [row for row in rows if row.status not in {Status.EXPIRED, Status.REVOKED}]
    keys = [*_misfits(flagged, live), *_keys(session, live, {key.id for key in flagged})]
    found = [*keys, *_claims(requests), *_questions(session, requests), *_approvals(session), *_reviews(session)]
    return tuple(sorted(found, key=lambda need: (need.at or _LATEST, need.name, need.kind)))


def _misfits(flagged: Sequence[Flagged], live: Sequence[KeyRow]) -> Iterator[Need]:
    """Yield each key that does not fit; that it ends soon as well is said with it, not as a second thing to do."""
    ends = {row.id: row.expires_at for row in live if row.expires_at <= now() + EXPIRING}
    for key in flagged:
        end = ends.get(key.id)
        sentence = f"No longer fits the policy and {_follows(key)}. {key.sentence} {key.remedy}"
        sentence += "" if end is None else f" It expires {_moment(end)}."
        at = min((at for at in (key.due_at, end) if at is not None), default=None)
        page = url_for("web.key_page", key_id=key.id)
        button, action = ("Rotate", url_for("web.key_rotate", key_id=key.id)) if key.by_rotation else _replace(key)
        yield Need("misfit", "warn", key.name, page + "#why", sentence, at, button, action)


def _follows(key: Flagged) -> str:
    done = None if key.action is None else _DONE.get(key.action)
    if done and key.acted_at:
        return f"was {done} {_moment(key.acted_at)}"
    at = "" if key.due_at is None else f" {_moment(key.due_at)}"
    return f"will be {done}{at}" if done else f"is to be mended by{at}"


def _keys(session: Session, live: Sequence[KeyRow], seen: set[str]) -> Iterator[Need]:
    """Yield each key once that was not `seen`: it ends, it wants a new secret, its grace ends, in this order."""
    for row in live:
        if row.id in seen:
            continue
        if row.expires_at <= now() + EXPIRING:
            seen.add(row.id)
            yield _need("expiring", "clock", row, f"Expires {_moment(row.expires_at)}", row.expires_at, *_replace(row))
        elif (due := _due(row)) is not None:
            seen.add(row.id)
            rotate = url_for("web.key_rotate", key_id=row.id)
            yield _need("due", "clock", row, f"A new secret is due by {_moment(due)}", due, "Rotate", rotate)
    for row in listing(session, rights().owners, now=now(), filters=Filters(status=Status.GRACE)).rows:
        if row.id not in seen and row.old_good_until is not None:
            until = row.old_good_until
            page = url_for("web.key_grace", key_id=row.id)
            yield _need("grace", "clock", row, f"The old secret works until {_moment(until)}", until, "See grace", page)


def _due(row: KeyRow) -> datetime | None:
    """Tell by when the key wants a new secret, if soon: its rule says so, or its token ends before the key does."""
    if row.rotate_by is not None and row.rotate_by <= min(now() + _ROTATE_SOON, row.token_expires_at):
        return row.rotate_by
    ends_early = row.token_expires_at < row.expires_at and row.token_expires_at <= now() + EXPIRING
    return row.token_expires_at if ends_early else None


def _claims(requests: tuple[RequestRow, ...]) -> Iterator[Need]:
    for row in requests:
        if row.state is RequestState.APPROVED:
            until = "" if row.claim_until is None else f" until {_moment(row.claim_until)}"
            words = f"{row.service}, {row.environment}. Approved: ready to claim{until}."
            page, claim = (url_for(f"web.{end}", request_id=row.id) for end in ("request_page", "request_claim"))
            yield Need("claim", "key", row.name, page, words, row.claim_until, "Claim", claim)


def _questions(session: Session, requests: tuple[RequestRow, ...]) -> Iterator[Need]:
    """Yield each waiting request of the visitor's own about which somebody else wrote last."""
    me = visitor().asker.id
    waiting = {row.id: row for row in requests if row.state is RequestState.WAITING and row.requester == me}
    for request_id, author in last_authors(session, waiting).items():
        if author != me:
            row = waiting[request_id]
            page = url_for("web.request_page", request_id=request_id, _anchor="talk-heading")
            wrote = f"{owner_words(author)} wrote to you about it. It waits until {_moment(row.expires_at)}."
            words = f"{row.service}, {row.environment}. {wrote}"
            yield Need("question", "person", row.name, page, words, row.expires_at, "Answer", page)


def _approvals(session: Session) -> Iterator[Need]:
    opened = in_force()
    if opened is None:
        return
    for row in inbox(session, opened, visitor().asker, asker_of=looking_up(session, opened.policy), now=now()):
        if isinstance(row.verdict, May):
            page = url_for("web.approval_page", request_id=row.id)
            who = owner_words(row.requester)
            words = f"{who} asks for it on {row.service}, {row.environment}. Lapses {_moment(row.expires_at)}."
            yield Need("approval", "person", row.name, page, words, row.expires_at, "Review", page)


def _reviews(session: Session) -> Iterator[Need]:
    """Yield to officials what somebody else granted alone in an emergency, as long as nobody has looked at it."""
    for row in unreviewed(session, now=now()) if is_official(visitor()) else ():
        if visitor().asker.id not in {row.requester, row.granted_by}:
            page = url_for("web.approval_page", request_id=row.id)
            place = f"{row.service}, {row.environment}"
            words = f"{place}. Somebody granted it alone in an emergency; nobody else has looked at it."
            yield Need("review", "warn", row.name, page, words, row.granted_at, "Review", page)


def _need(kind: str, icon: str, row: KeyRow, words: str, at: datetime, button: str, action: str) -> Need:  # noqa: PLR0917 - a line of the list, field by field.
    page = url_for("web.key_page", key_id=row.id)
    return Need(kind, icon, row.name, page, f"{row.service}, {row.environment}. {words}.", at, button, action)


def _replace(key: KeyRow | Flagged) -> tuple[str, str]:
    scopes = list(key.scopes)
    url = url_for("web.key_new", service=key.service, environment=key.environment, scope=scopes, name=key.name)
    return "Replace", url


def _moment(at: datetime) -> str:
    return f"{clock(at)} ({distance(at, now())})"
