"""Runs policy tests: every case of every `PolicyTest` against a compiled policy, with what no case has shown."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from keymgr.policy.coverage import Gap, Seen, gaps_of
from keymgr.policy.decide import decide
from keymgr.policy.documents import Document, typed
from keymgr.policy.documents_tests import CasePart, InvariantPart, LiveKeyCase, PolicyTestDocument, PolicyTestSpec
from keymgr.policy.existing import standing_of
from keymgr.policy.expectations import difference_of_decision, difference_of_standing
from keymgr.policy.fixtures import asker_of, live_key_of, request_of, wish_of, written
from keymgr.policy.invariants import Invariant, breaches
from keymgr.policy.model import Policy, Source


@dataclass(frozen=True, slots=True)
class TestResult:
    """How one case, live key or invariant came out; `message` is empty when it passed."""

    __test__: ClassVar[bool] = False  # pytest takes a class of this name for one of its own.

    test: str
    name: str
    source: Source
    message: str = ""

    @property
    def passed(self) -> bool:
        """Whether it came out as expected."""
        return not self.message


@dataclass(frozen=True, slots=True)
class TestReport:
    """All results in the order of the files, and the rules and guardrails that no passing case shows at work."""

    __test__: ClassVar[bool] = False

    results: tuple[TestResult, ...]
    gaps: tuple[Gap, ...]

    @property
    def failures(self) -> tuple[TestResult, ...]:
        """The results that did not come out as expected."""
        return tuple(result for result in self.results if not result.passed)

    @property
    def passed(self) -> bool:
        """Whether there is at least one result and none failed: nothing tested is not a pass."""
        return bool(self.results) and not self.failures


def run_tests(documents: Iterable[Document], policy: Policy) -> TestReport:
    """Run the `PolicyTest` documents among those that `policy` was compiled from, so that every name is declared.

    No case reads the clock; each test freezes its own moment.
    """
    results: list[TestResult] = []
    seen = Seen()
    for document in documents:
        model = typed(document) if document.kind == "PolicyTest" else None
        if isinstance(model, PolicyTestDocument):
            results.extend(_run(document, model.spec, policy, seen))
    return TestReport(tuple(results), gaps_of(policy, seen))


def _run(document: Document, spec: PolicyTestSpec, policy: Policy, seen: Seen) -> Iterable[TestResult]:
    for index, case in enumerate(spec.cases):
        message = _case_message(case, spec, policy, seen)
        yield TestResult(document.name, case.name, _mark(document, f"spec.cases.{index}"), message)
    for index, live in enumerate(spec.existing_keys):
        message = _live_key_message(live, spec, policy, seen)
        yield TestResult(document.name, live.name, _mark(document, f"spec.existing_keys.{index}"), message)
    for index, part in enumerate(spec.invariants):
        message = " ".join(breaches(policy, _invariant(part), spec.now))
        yield TestResult(document.name, part.name, _mark(document, f"spec.invariants.{index}"), message)


def _mark(document: Document, path: str) -> Source:
    return document.marks.get(path, document.source)


def _case_message(case: CasePart, spec: PolicyTestSpec, policy: Policy, seen: Seen) -> str:
    owner, request = asker_of(case.owner, spec.fixtures, policy), request_of(case, spec.fixtures)
    wish, evidence = wish_of(request)
    decision = decide(policy, owner, wish, evidence, spec.now)
    difference = difference_of_decision(case.expect, decision)
    if difference:
        return f"{difference} Asked: {written(case.owner, request)}"
    seen.decision(decision)
    return ""


def _live_key_message(live: LiveKeyCase, spec: PolicyTestSpec, policy: Policy, seen: Seen) -> str:
    owner = asker_of(live.key.owner, spec.fixtures, policy)
    standing = standing_of(policy, live_key_of(live.key, owner), spec.now)
    difference = difference_of_standing(live.expect, standing)
    if difference:
        return f"{difference} Key: {written(live.key.owner, live.key)}"
    seen.standing(standing)
    return ""


def _invariant(part: InvariantPart) -> Invariant:
    only = part.only
    return Invariant(
        service=part.service,
        scopes=part.scopes,
        environments=part.environments,
        teams=frozenset(only.teams if only else ()),
        roles=frozenset(only.roles if only else ()),
        owner_kinds=frozenset(only.owner_kinds if only else ()),
    )
