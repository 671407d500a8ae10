"""Replays past decisions under another policy: whom would it have turned away, or let in?"""

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from keymgr.keys.past import past_case
from keymgr.policy.model import Policy
from keymgr.policy.replay import Replayed, replay_cases
from keymgr.store.standing import PastDecision

_BATCH = 1_000


def replay(session: Session, policy: Policy, days: int, now: datetime) -> Replayed:
    """Ask `policy` what was asked in the last `days`, the newest first; writes nothing."""
    recent = select(PastDecision).where(PastDecision.at > now - timedelta(days=days))
    ordered = recent.order_by(PastDecision.at.desc(), PastDecision.id.desc()).execution_options(yield_per=_BATCH)
    return replay_cases(policy, (past_case(row) for row in session.scalars(ordered)))
