"""Whether a newer policy gives another answer than the one the person was shown before pressing the button."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from keymgr.keys.case import Case
from keymgr.policy.compile import compile_policy
from keymgr.policy.decision import Decision, Denied
from keymgr.policy.load import from_snapshot
from keymgr.policy.model import Policy
from keymgr.store.policies import PolicyRevision


def answer_moved(session: Session, case: Case, seen_revision: int, decision: Decision) -> bool:
    """Tell whether the policy of `seen_revision` answers otherwise than `decision`; one we cannot read any more does.

    Only what the person would get is compared: the kind of answer, the rule, its terms and its approval.
    """
    if seen_revision == case.in_force.revision:
        return False
    seen = _policy_of(session, seen_revision)
    return seen is None or _gist(case.decide_under(seen)) != _gist(decision)


def _policy_of(session: Session, revision_id: int) -> Policy | None:
    documents = session.scalar(select(PolicyRevision.documents).where(PolicyRevision.id == revision_id))
    if documents is None:
        return None
    compiled = compile_policy(from_snapshot(documents))
    return None if isinstance(compiled, tuple) else compiled


def _gist(decision: Decision) -> tuple[object, ...]:
    if isinstance(decision, Denied):
        return (Denied,)
    return type(decision), decision.rule.name, decision.terms, decision.rule.approval.steps
