"""Warnings about what ends by itself: waivers and acknowledgements that are over or end soon."""

from collections.abc import Iterator

from keymgr.policy.documents_guardrails import WaiverDocument
from keymgr.policy.documents_set import ChangeAckDocument
from keymgr.policy.lint_codes import Finding, Subject, found
from keymgr.policy.wording import span

SOON_SECONDS = 14 * 86_400
_DAY, _HOUR = 86_400, 3600


def time_findings(subject: Subject) -> Iterator[Finding]:
    """Yield a warning for each waiver and acknowledgement that is over, or ends within two weeks."""
    for written in subject.index.all:
        model = written.model
        if not isinstance(model, (WaiverDocument, ChangeAckDocument)):
            continue
        left = model.spec.expires_at - subject.now
        if left <= 0:
            remedy = (
                "remove the document" if isinstance(model, ChangeAckDocument) else "remove it, or renew it by review"
            )
            yield found("W408", written, f"this {model.kind} is over", remedy, "spec", "expires_at")
        elif left <= SOON_SECONDS:
            message, remedy = f"this {model.kind} ends in {_roughly(left)}", "renew it by review, or plan for its end"
            yield found("W408", written, message, remedy, "spec", "expires_at")


def _roughly(seconds: int) -> str:
    """Write a length of time in its largest unit, rounded down."""
    unit = next((unit for unit in (_DAY, _HOUR) if seconds >= unit), 1)
    return span(seconds // unit * unit)
