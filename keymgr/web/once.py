"""One submit of an admin's form does its work once; the second one, however close behind, changes nothing."""

from collections.abc import Callable
from typing import TypeVar

from flask import request

from keymgr import db
from keymgr.keys.nonce import Submit, once
from keymgr.keys.outcomes import AlreadyDone
from keymgr.web.forms import new_nonce
from keymgr.web.portal import now
from keymgr.web.visiting import visitor

Outcome = TypeVar("Outcome")


def once_only(
    action: str, about: str, work: Callable[[], Outcome], made: Callable[[Outcome], str | None]
) -> Outcome | AlreadyDone:
    """Do the work of this form's one-time number; `made` names what an outcome made, None for one that made nothing."""
    submit = Submit(request.form.get("nonce", "")[:64] or new_nonce(), visitor().person_id)
    return once(db.session(), submit, action, now(), about=about, work=work, made=made)
