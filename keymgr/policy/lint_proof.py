"""Warnings about rules and guardrails that no policy test shows at work."""

from collections.abc import Iterator

from keymgr.policy.lint_codes import Finding, Subject, found
from keymgr.policy.testing import run_tests

_WORDS = {
    "granted": ("no test shows that this rule ever grants", "add a case that expects its name as rule"),
    "refused": ("no test shows that this rule ever refuses", "add a case that expects its name as near_miss"),
    "fired": ("no test shows that this guardrail ever objects", "add a case that expects its name as guardrail"),
}


def proof_findings(subject: Subject) -> Iterator[Finding]:
    """Yield a warning for each gap in what passing tests show."""
    written = {(each.document.kind, each.name): each for each in subject.index.all}
    report = run_tests((each.document for each in subject.index.all), subject.policy)
    for gap in report.gaps:
        message, remedy = _WORDS[gap.missing]
        yield found("W409", written[gap.kind, gap.name], message, remedy, "metadata", "name")
