"""Warnings about approvals that nobody can give, counted wherever the people are listed."""

from collections.abc import Iterator, Sequence

from keymgr.policy.lint_codes import Finding, Subject, found
from keymgr.policy.lint_people import People, approvers, keepers, owners
from keymgr.policy.model import ApprovalPolicy, Policy
from keymgr.policy.wording import all_of, count

_PLACES_MAX = 200
"""An approval by more people than this is not counted, so that counting stays quick."""


def approval_findings(subject: Subject) -> Iterator[Finding]:
    """Yield a warning for each step that lacks people, each policy that does, and each rule whose askers never pass."""
    policy = subject.policy
    hopeless = set()
    for name, written in subject.index.approvals.items():
        reasons = tuple(_faults(policy.approvals[name], policy))
        hopeless |= {name} if reasons else set()
        for path, message in reasons:
            yield found("W407", written, message, "name more people, or ask for fewer", *path)
    for name, rule in subject.index.rules.items():
        approval, compiled = policy.rules[name].approval, policy.rules[name]
        askers = owners(compiled, policy) | keepers(compiled, policy)
        if approval.name not in hopeless and _never_passes(approval, askers, policy):
            who = all_of(sorted(askers.named))
            message = f"{approval.name} cannot be given to {who}: nobody approves their own request or counts twice"
            yield found("W407", rule, message, "let somebody else approve as well", "spec", "approval")


def _faults(approval: ApprovalPolicy, policy: Policy) -> Iterator[tuple[tuple[str | int, ...], str]]:
    people = [approvers(step, policy) for step in approval.steps]
    short = [
        (("spec", "steps", number, "from"), f'"{step.name}" needs {_people(step.count)}, {len(found_people.named)} can')
        for number, (step, found_people) in enumerate(zip(approval.steps, people, strict=True))
        if not found_people.more and len(found_people.named) < step.count
    ]
    yield from short
    if not short and not _can_be_given(approval, policy):
        needed = sum(step.count for step, each in zip(approval.steps, people, strict=True) if not each.more)
        able = frozenset(name for each in people if not each.more for name in each.named)
        message = f"the steps together need {_people(needed)} because nobody counts twice; {len(able)} can"
        yield ("spec", "steps"), message


def _people(amount: int) -> str:
    return count(amount, "person").replace("persons", "people")


def _never_passes(approval: ApprovalPolicy, askers: People, policy: Policy) -> bool:
    return (
        not askers.more
        and bool(askers.named)
        and not any(_can_be_given(approval, policy, without=asker) for asker in askers.named)
    )


def _can_be_given(approval: ApprovalPolicy, policy: Policy, *, without: str | None = None) -> bool:
    """Tell whether different people can fill every place of every step whose people are all listed."""
    places: list[frozenset[str]] = []
    for step in approval.steps:
        people = approvers(step, policy)
        if not people.more:
            places.extend([people.named - {without}] * step.count)
    seated: dict[str, int] = {}
    if len(places) > _PLACES_MAX:
        return True
    return all(_seat(place, places, seated, set()) for place in range(len(places)))


def _seat(place: int, places: Sequence[frozenset[str]], seated: dict[str, int], tried: set[str]) -> bool:
    """Find somebody for a place, moving others to another place of theirs where that helps."""
    for person in sorted(places[place] - tried):
        tried.add(person)
        if person not in seated or _seat(seated[person], places, seated, tried):
            seated[person] = place
            return True
    return False
