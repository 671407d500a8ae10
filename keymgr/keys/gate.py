"""Whether anything is issued at all at the moment, whoever asks."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from keymgr.keys.issuer import Issuer
from keymgr.keys.outcomes import Closed
from keymgr.keys.turns import take_turn
from keymgr.policy.model import InForce
from keymgr.store.lock import share_policy
from keymgr.store.policies import PolicyHead

NO_POLICY = Closed("No policy is in force yet, so nothing can be granted. Ask an admin to run `keymgr policy apply`.")
SWITCHED_OFF = Closed(
    "Issuing is switched off (KEYMGR_ISSUING_ENABLED). Existing keys work as before; try again later or ask an admin."
)
JUST_REPLACED = Closed("The policy was replaced while this was on its way. Nothing was changed; please send it again.")


def gate(in_force: InForce | None, issuer: Issuer) -> InForce | Closed:
    """Answer the policy to decide by, or why nothing is issued and what to do."""
    if not issuer.enabled:
        return SWITCHED_OFF
    return NO_POLICY if in_force is None else in_force


def gate_under_lock(session: Session, in_force: InForce | None, issuer: Issuer, *, owner: str) -> InForce | Closed:
    """Answer the same, with the policy kept from changing and the owner's other asks kept waiting until commit."""
    opened = gate(in_force, issuer)
    return opened if isinstance(opened, Closed) else policy_under_lock(session, opened, owner=owner)


def policy_under_lock(session: Session, in_force: InForce | None, *, owner: str) -> InForce | Closed:
    """Answer the policy to decide by, kept from changing until commit, for what is done even when issuing is off."""
    if in_force is None:
        return NO_POLICY
    share_policy(session)
    if session.scalar(select(PolicyHead.revision_id)) != in_force.revision:
        return JUST_REPLACED
    take_turn(session, f"owner {owner}")
    return in_force
