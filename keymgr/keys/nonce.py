"""One submit of a form does its work once: the second one, however close behind, hears what the first one made."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from keymgr.keys.outcomes import AlreadyDone
from keymgr.keys.upsert import insert_unless_there
from keymgr.store.keys import FormNonce

Outcome = TypeVar("Outcome")


@dataclass(frozen=True, slots=True)
class Submit:
    """One submit of a form: its one-time number, and the person it was given to."""

    nonce: str
    person_id: str


def once(
    session: Session,
    submit: Submit | None,
    action: str,
    now: datetime,
    *,
    about: str = "",
    work: Callable[[], Outcome],
    made: Callable[[Outcome], str | None],
) -> Outcome | AlreadyDone:
    """Do `work` unless this submit has already been done; `made` names the object an outcome created or changed.

    `about` is the object that is acted on: a list may give all its buttons one number, and each works once.
    An outcome that made nothing (`made` is None) leaves the number unused, so that a corrected form can be sent again.
    A door without forms passes no submit. A parallel submit waits for this transaction to end.
    """
    if submit is None:
        return work()
    number = _identity(submit, action, about)
    if not _take(session, number, submit.person_id, action, now):
        return _answer(session, number)
    outcome = work()
    object_id = made(outcome)
    if object_id is None:
        session.execute(delete(FormNonce).where(FormNonce.id == number))
    else:
        session.execute(update(FormNonce).where(FormNonce.id == number).values(object_id=object_id))
    return outcome


def _identity(submit: Submit, action: str, about: str) -> str:
    """Bind the number to the person, the action and its object, so that nobody hears of another one."""
    return hashlib.sha256(json.dumps([submit.person_id, action, about, submit.nonce]).encode()).hexdigest()


def _take(session: Session, number: str, person_id: str, action: str, now: datetime) -> bool:
    row = {"id": number, "person_id": person_id, "action": action, "object_id": None, "used_at": now}
    return insert_unless_there(session, FormNonce, row)


def _answer(session: Session, number: str) -> AlreadyDone:
    object_id, at = session.execute(select(FormNonce.object_id, FormNonce.used_at).where(FormNonce.id == number)).one()
    return AlreadyDone(object_id, at)
