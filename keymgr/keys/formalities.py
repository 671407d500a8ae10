"""What an approval policy wants to be told with a wish: a reason, a ticket. Asked here, so that no door forgets it."""

from collections.abc import Iterator

from keymgr.keys.outcomes import Lack
from keymgr.policy.model import ApprovalPolicy
from keymgr.policy.patterns import fits


def lacking(approval: ApprovalPolicy, *, reason: str, ticket: str) -> tuple[Lack, ...]:
    """List what was not said, or not in the form that the policy asks for."""
    return tuple(_lacking(approval, reason.strip(), ticket))


def _lacking(approval: ApprovalPolicy, reason: str, ticket: str) -> Iterator[Lack]:
    if approval.reason_required and not reason:
        yield Lack("justification", "Say why you need this key; whoever approves it reads that.")
    if approval.ticket_pattern is not None and not fits(approval.ticket_pattern, ticket):
        yield Lack("ticket", f"Name the ticket in the form {approval.ticket_pattern}.")
