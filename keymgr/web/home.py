"""The first page: what needs the visitor, their requests, changes that touched them, and news of the service."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

from flask import render_template
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from sqlalchemy.orm import Session

from keymgr import db
from keymgr.keys.requests import RequestRow, requests_of
from keymgr.people.whois import owners_of
from keymgr.store.keys import Key, RequestState, SigningKey, SigningKeyState
from keymgr.web.needs import kinds, needs_of
from keymgr.web.policy_news import policy_news
from keymgr.web.portal import desk, now, portal
from keymgr.web.request_words import word_of
from keymgr.web.visiting import in_force, rights, visitor
from keymgr.web.wording import clock

_SHOWN = 5
_DECIDED_LATELY = timedelta(days=14)
_ROLLED_LATELY = timedelta(days=7)
_OPEN = frozenset({RequestState.WAITING, RequestState.APPROVED})


@portal.get("/")
def home() -> ResponseReturnValue:
    """Show four short lists, and that nothing needs the visitor where nothing does."""
    session = db.session()
    requests = requests_of(session, owners_of(visitor()), now=now())
    needs = needs_of(session, requests)
    lately = [row for row in requests if _is_lately(row)]
    counts = Counter(need.kind for need in needs)
    return render_template(
        "home/home.html",
        me=visitor(),
        needs=needs[:_SHOWN],
        total=len(needs),
        more=[
            (counts[kind], one if counts[kind] == 1 else many, url)
            for kind, (one, many, url) in kinds().items()
            if counts[kind]
        ],
        requests=[(row, word_of(row.state)) for row in lately[:_SHOWN]],
        requests_total=len(lately),
        news=policy_news(session, most=_SHOWN),
        services=tuple(_service_notices(session))[:_SHOWN],
        has_keys=session.scalar(select(Key.id).where(Key.owner.in_(sorted(rights().owners))).limit(1)) is not None,
        now=now(),
    )


def _is_lately(row: RequestRow) -> bool:
    """Tell whether a request is open, or was decided not long ago."""
    ended = row.decided_at or row.expires_at
    return row.state in _OPEN or ended > now() - _DECIDED_LATELY


def _service_notices(session: Session) -> Iterator[str]:
    if not desk().issuer.enabled:
        yield "Issuing is switched off for now. Existing keys work as before."
    if in_force() is None:
        yield "No policy is in force yet, so nothing can be granted."
    rolled = (SigningKey.state == SigningKeyState.ACTIVE, SigningKey.activated_at > now() - _ROLLED_LATELY)
    at = session.scalar(select(SigningKey.activated_at).where(*rolled))
    before = select(SigningKey.kid).where(SigningKey.state.in_((SigningKeyState.RETIRING, SigningKeyState.RETIRED)))
    if at is not None and session.scalar(before.limit(1)) is not None:
        yield (
            f"A new signing key signs since {clock(at)}. Keys signed before it work on; services that check "
            "signatures themselves fetch it on their own."
        )
