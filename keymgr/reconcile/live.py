"""Which policy decides now: read from the head, compiled once per process and revision."""

import logging
import threading
from weakref import WeakKeyDictionary

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from keymgr.policy.compile import compile_policy
from keymgr.policy.load import from_snapshot
from keymgr.policy.model import InForce, Policy
from keymgr.store.policies import PolicyHead, PolicyRevision

_LOG = logging.getLogger(__name__)
_LOCK = threading.Lock()
_NEWEST: WeakKeyDictionary[Engine, tuple[int, InForce | None]] = WeakKeyDictionary()
"""The last revision each database had in force; rows of revisions never change, so an entry is never wrong."""


def in_force(session: Session) -> InForce | None:
    """Return the policy that decides, as this transaction sees it; None while nothing may be issued.

    That is so before the first apply, and when this version of keymgr cannot read what another version applied.
    """
    bind = session.get_bind()
    engine = bind if isinstance(bind, Engine) else bind.engine
    revision_id = session.scalar(select(PolicyHead.revision_id))
    if revision_id is None:
        return None
    with _LOCK:
        known = _NEWEST.get(engine)
    if known is not None and known[0] == revision_id:
        return known[1]
    found = _compiled(session, revision_id)
    with _LOCK:
        _NEWEST[engine] = (revision_id, found)
    return found


def stored_policy(session: Session, revision_id: int) -> Policy | None:
    """Compile what is stored of a revision; None when this version cannot read it."""
    documents = session.scalar(select(PolicyRevision.documents).where(PolicyRevision.id == revision_id))
    compiled = compile_policy(from_snapshot(documents or []))
    return compiled if isinstance(compiled, Policy) else None


def _compiled(session: Session, revision_id: int) -> InForce | None:
    policy = stored_policy(session, revision_id)
    if policy is None:
        _LOG.error(
            "Nothing is issued: this version cannot read policy revision %d. Apply the policy again.", revision_id
        )
        return None
    commit = session.scalar(select(PolicyRevision.commit).where(PolicyRevision.id == revision_id))
    return InForce(policy, revision_id, commit)
