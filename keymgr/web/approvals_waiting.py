"""How many approvals wait for the visitor: the number beside the entry of the navigation."""

from typing import Any

from flask import g

from keymgr import db
from keymgr.keys.inbox import count_waiting
from keymgr.people.whois import Visitor
from keymgr.policy.model import InForce
from keymgr.web.colleagues import is_official, looking_up, may_ever_approve
from keymgr.web.portal import now, portal
from keymgr.web.visiting import in_force, is_signed_in, visitor


@portal.app_context_processor
def waiting_of_page() -> dict[str, Any]:
    """Give templates the number of approvals that wait for the visitor, worked out once and only where it is shown."""
    return {"waiting_count": _waiting_count}


def concerns_approvals(who: Visitor) -> bool:
    """Tell whether the inbox is worth an entry: the visitor may approve something, or oversees those who do."""
    opened = in_force()
    return is_official(who) or (opened is not None and may_ever_approve(opened.policy, who.asker))


def without_count() -> None:
    """Draw this answer without counting: it must not fail for the sake of a number beside it."""
    g.waiting_count = 0


def count_anew() -> None:
    """Forget what was counted: a decision was taken."""
    g.pop("waiting_count", None)


def _waiting_count() -> int:
    if "waiting_count" not in g:
        opened = in_force() if is_signed_in() else None
        g.waiting_count = 0 if opened is None else _count(opened)
    number: int = g.waiting_count
    return number


def _count(opened: InForce) -> int:
    session = db.session()
    return count_waiting(session, opened, visitor().asker, asker_of=looking_up(session, opened.policy), now=now())
