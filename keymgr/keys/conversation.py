"""The conversation about a request: an approver's question, the requester's answer."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from keymgr.keys.nonce import Submit, once
from keymgr.keys.outcomes import Incomplete, NotNow, NotYours, Said, SayOutcome
from keymgr.keys.rights import Rights
from keymgr.keys.routing import AskerOf, approval_now, is_stranger, parties_of
from keymgr.keys.saying import tidy_text
from keymgr.keys.take_up import lock_request, owner_of_request
from keymgr.keys.trail import Event, tell
from keymgr.policy.model import Asker, InForce
from keymgr.store.audit import Actor, AuditLevel
from keymgr.store.keys import KeyRequest, RequestMessage

LINES_MAX = 200
"""How many lines a conversation has at most."""


def say(
    session: Session,
    in_force: InForce | None,
    *,
    request_id: str,
    author: Asker,
    actor: Actor,
    rights: Rights,
    asker_of: AskerOf,
    text: str,
    submit: Submit | None,
    level: AuditLevel,
    now: datetime,
) -> SayOutcome:
    """Add a line: whoever looks after the owner, asked, or could approve may, also after the decision."""
    tidied = tidy_text(text, "text", "Write something first.")
    if isinstance(tidied, Incomplete):
        return tidied

    def work() -> SayOutcome:
        if owner_of_request(session, request_id) is None:
            return NotYours()
        request = lock_request(session, request_id)
        is_theirs = request.owner in rights.owners or author.id in {*parties_of(request), request.decided_by}
        if not (is_theirs or _could_approve(in_force, request, author, asker_of, now)):
            return NotYours()
        if _lines(session, request_id) >= LINES_MAX:
            return NotNow(f"There are {LINES_MAX} lines already. Decide the request, or talk to each other directly.")
        session.add(RequestMessage(request_id=request_id, author=author.id, at=now, text=tidied))
        session.flush()
        tell(session, level, actor, now, Event("request.said", "request", request_id, {"name": request.name}))
        return Said(request_id, now)

    return once(session, submit, "say", now, about=request_id, work=work, made=_made)


def last_authors(session: Session, request_ids: Collection[str]) -> dict[str, str]:
    """Tell who wrote the last line about each of these requests; those nobody wrote about are left out."""
    lines = RequestMessage.request_id.in_(sorted(request_ids))
    newest = select(func.max(RequestMessage.id)).where(lines).group_by(RequestMessage.request_id)
    found = select(RequestMessage.request_id, RequestMessage.author).where(RequestMessage.id.in_(newest))
    return {row.request_id: row.author for row in session.execute(found)}


def _could_approve(
    in_force: InForce | None, request: KeyRequest, author: Asker, asker_of: AskerOf, now: datetime
) -> bool:
    if in_force is None:
        return False
    return not is_stranger(in_force, request, approval_now(in_force, request, asker_of, now), author)


def _lines(session: Session, request_id: str) -> int:
    statement = select(func.count()).select_from(RequestMessage).where(RequestMessage.request_id == request_id)
    return session.scalar(statement) or 0


def _made(outcome: SayOutcome) -> str | None:
    return outcome.request_id if isinstance(outcome, Said) else None
