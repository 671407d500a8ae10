"""Which policy decides now: read from the head, compiled once per process and revision."""

import logging
import threading
from datetime import datetime
from weakref import WeakKeyDictionary

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from keymgr.policy.compile import compile_policy
from keymgr.policy.load import from_snapshot
from keymgr.policy.model import InForce, Policy
from keymgr.store.policies import PolicyHead, PolicyRevision

_LOG = logging.getLogger(__name__)
_LOCK = threading.Lock()
_Label = tuple[int, str, str | None, datetime]
_HEAD = select(PolicyRevision.id, PolicyRevision.digest, PolicyRevision.commit, PolicyRevision.applied_at).join(
    PolicyHead
)
_NEWEST: WeakKeyDictionary[Engine, tuple[_Label, InForce | None]] = WeakKeyDictionary()
"""The last revision each database had in force. The number alone is no key: an apply that is undone gives it back."""


def in_force(session: Session) -> InForce | None:
    """Return the policy that decides, as this transaction sees it; None while nothing may be issued.

    That is so before the first apply, and when this version of keymgr cannot read what another version applied.
    """
    bind = session.get_bind()
    engine = bind if isinstance(bind, Engine) else bind.engine
    head = session.execute(_HEAD).one_or_none()
    if head is None:
        return None
    label: _Label = (head.id, head.digest, head.commit, head.applied_at)
    with _LOCK:
        known = _NEWEST.get(engine)
    if known is not None and known[0] == label:
        return known[1]
    policy = stored_policy(session, head.id)
    if policy is None:
        _LOG.error("Nothing is issued: this version cannot read policy revision %d. Apply the policy again.", head.id)
    found = None if policy is None else InForce(policy, head.id, head.commit)
    with _LOCK:
        _NEWEST[engine] = (label, found)
    return found


def stored_policy(session: Session, revision_id: int) -> Policy | None:
    """Compile what is stored of a revision; None when this version cannot read it."""
    documents = session.scalar(select(PolicyRevision.documents).where(PolicyRevision.id == revision_id))
    compiled = compile_policy(from_snapshot(documents or []))
    return compiled if isinstance(compiled, Policy) else None
