"""Warnings about a policy that is valid and still not what its author meant; each has a code, a place and a remedy."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from keymgr.policy.documents import Document
from keymgr.policy.index import Index, index
from keymgr.policy.lint_approvals import approval_findings
from keymgr.policy.lint_codes import WARNINGS, Finding, Subject, found
from keymgr.policy.lint_names import name_findings
from keymgr.policy.lint_proof import proof_findings
from keymgr.policy.lint_rules import rule_findings
from keymgr.policy.lint_time import time_findings
from keymgr.policy.model import Policy
from keymgr.policy.problems import Problem

ACCEPTED = "lint-"
"""The annotation `lint-w401: why` on an object accepts that warning about it."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A warning that the object itself accepts, with the reason written there."""

    problem: Problem
    reason: str


@dataclass(frozen=True, slots=True)
class LintReport:
    """The warnings in the order of places, and beside them those that an object accepts with a reason."""

    warnings: tuple[Problem, ...]
    accepted: tuple[Accepted, ...]


def lint(documents: Iterable[Document], policy: Policy, *, now: datetime) -> LintReport:
    """Return what is odd about the documents that `policy` was compiled from; `now` is for what ends by itself."""
    read, _ = index(documents, whole=True)
    subject = Subject(read, policy, int(now.timestamp()))
    findings = tuple(_findings(subject))
    reasons = _reasons(read)
    accepted = {each: reasons[_key(each)] for each in findings if _key(each) in reasons}
    warnings = [each.problem for each in findings if each not in accepted]
    warnings.extend(_idle(read, {_key(each) for each in accepted}))
    told = sorted(accepted.items(), key=lambda each: each[0].problem)
    return LintReport(tuple(sorted(warnings)), tuple(Accepted(each.problem, reason) for each, reason in told))


def _findings(subject: Subject) -> Iterator[Finding]:
    yield from rule_findings(subject)
    yield from name_findings(subject)
    yield from approval_findings(subject)
    yield from time_findings(subject)
    yield from proof_findings(subject)


_Key = tuple[str, str, str]


def _key(finding: Finding) -> _Key:
    return finding.kind, finding.name, finding.problem.code


def _reasons(read: Index) -> dict[_Key, str]:
    """Return why objects accept warnings, by kind, name and code."""
    return {
        (each.document.kind, each.name, code.upper()): reason
        for each in read.all
        for code, reason in (
            (name.removeprefix(ACCEPTED), text)
            for name, text in each.model.metadata.annotations.items()
            if name.startswith(ACCEPTED)
        )
    }


def _idle(read: Index, used: set[_Key]) -> Iterator[Problem]:
    """Yield a warning for each annotation that accepts nothing, so that none outlives its cause."""
    for each in read.all:
        for name in each.model.metadata.annotations:
            code = name.removeprefix(ACCEPTED).upper()
            if not name.startswith(ACCEPTED) or (each.document.kind, each.name, code) in used:
                continue
            known = "" if code in WARNINGS else ", which is no warning"
            message = f"the annotation {name} accepts {code}{known}, but there is none here"
            yield found("W413", each, message, "remove it", "metadata", "annotations", name).problem
