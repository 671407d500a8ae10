"""Asks a policy what was asked before, and says which answers would be others."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from keymgr.policy.decide import decide
from keymgr.policy.decision import Allowed, Decision, Denied, NeedsApproval, Unmet
from keymgr.policy.model import Asker, Evidence, Policy, Wish

EXAMPLES = 5


class PastOutcome(StrEnum):
    """What was answered."""

    ALLOWED = "allowed"
    DENIED = "denied"
    NEEDS_APPROVAL = "needs_approval"


@dataclass(frozen=True, slots=True)
class PastCase:
    """One decision with all it was taken from, teams and roles as they were; `at` in Unix seconds."""

    asker: Asker
    wish: Wish
    evidence: Evidence
    at: int
    outcome: PastOutcome
    rule: str | None


class Turn(StrEnum):
    """In which way an answer would be another one; `AT_ONCE` needed an approval, `WITH_APPROVAL` would need one."""

    NEWLY_DENIED = "newly_denied"
    NEWLY_ALLOWED = "newly_allowed"
    WITH_APPROVAL = "with_approval"
    AT_ONCE = "at_once"


@dataclass(frozen=True, slots=True)
class Turned:
    """A decision that would be another one; `rule` would grant it, `reasons` say why it would be refused."""

    case: PastCase
    turn: Turn
    rule: str | None
    reasons: tuple[Unmet, ...]


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many decisions were asked again, and how many would be refused, or granted, that were not.

    `with_approval` and `at_once` count what is granted as before, but with or without an approval. `examples` holds a
    few of each kind, the newest first.
    """

    decisions: int
    newly_denied: int
    newly_allowed: int
    with_approval: int
    at_once: int
    examples: tuple[Turned, ...]


def replay_cases(policy: Policy, cases: Iterable[PastCase]) -> Replayed:
    """Ask `policy` each case again, as of the moment it was decided; the newest come first."""
    asked = 0
    counts: Counter[Turn] = Counter()
    examples = []
    for case in cases:
        asked += 1
        turned = _asked_again(policy, case)
        if turned is not None:
            counts[turned.turn] += 1
            if counts[turned.turn] <= EXAMPLES:
                examples.append(turned)
    return Replayed(
        decisions=asked,
        newly_denied=counts[Turn.NEWLY_DENIED],
        newly_allowed=counts[Turn.NEWLY_ALLOWED],
        with_approval=counts[Turn.WITH_APPROVAL],
        at_once=counts[Turn.AT_ONCE],
        examples=tuple(sorted(examples, key=lambda each: list(Turn).index(each.turn))),
    )


def outcome_of(decision: Decision) -> PastOutcome:
    """Return the word that a decision is remembered by."""
    match decision:
        case Allowed():
            return PastOutcome.ALLOWED
        case NeedsApproval():
            return PastOutcome.NEEDS_APPROVAL
        case Denied():
            return PastOutcome.DENIED
        case _:  # pragma: no cover - the type checker proves that nothing is left.
            assert_never(decision)


def _asked_again(policy: Policy, case: PastCase) -> Turned | None:
    decision = decide(policy, case.asker, case.wish, case.evidence, case.at)
    outcome = outcome_of(decision)
    if outcome is case.outcome:
        return None
    if isinstance(decision, Denied):
        return Turned(case, Turn.NEWLY_DENIED, None, decision.reasons)
    turn = Turn.AT_ONCE if outcome is PastOutcome.ALLOWED else Turn.WITH_APPROVAL
    if case.outcome is PastOutcome.DENIED:
        turn = Turn.NEWLY_ALLOWED
    return Turned(case, turn, decision.rule.name, ())
