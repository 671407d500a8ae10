"""Who may approve a request, and how far its approval has come: the one function that every door asks.

Steps are asked in order and all have to be met. The parties of a request (who asked, who would own the key, who changed
the wish) never count, and nobody counts twice. There is no exemption for admins.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from keymgr.policy.model import ApprovalPolicy, ApprovalStep, Asker, OwnerKind
from keymgr.policy.wording import any_of


class NotApprover(StrEnum):
    """Why somebody may not approve."""

    INACTIVE = "inactive"
    NOT_A_PERSON = "not_a_person"
    NOT_NAMED = "not_named"
    NOT_NEEDED = "not_needed"
    NOT_YET = "not_yet"
    PARTY = "party"
    SIGNED = "signed"


@dataclass(frozen=True, slots=True)
class Signature:
    """One person's agreement to one step; `person` is an id such as `user:ana`, steps count from 0."""

    person: str
    step: int


@dataclass(frozen=True, slots=True)
class May:
    """The person may approve, and counts for this step."""

    step: int


@dataclass(frozen=True, slots=True)
class MayNot:
    """The person may not approve; `sentence` says why, to them."""

    reason: NotApprover
    sentence: str


@dataclass(frozen=True, slots=True)
class StepStanding:
    """How one step stands: who has signed, how many are needed, and whose approval counts."""

    name: str
    needed: int
    signed: tuple[str, ...]
    teams: tuple[str, ...]
    roles: tuple[str, ...]

    @property
    def is_met(self) -> bool:
        """Whether enough people have signed."""
        return len(self.signed) >= self.needed

    @property
    def missing(self) -> int:
        """How many more people have to sign."""
        return max(0, self.needed - len(self.signed))

    @property
    def whose(self) -> str:
        """Whose approval counts, in words, such as `the team security or the role payments-lead`."""
        return _whose(self.teams, self.roles)


def may_approve(
    approval: ApprovalPolicy, person: Asker, signatures: Sequence[Signature], *, parties: frozenset[str]
) -> May | MayNot:
    """Tell whether the person may approve now, and which step that is; `signatures` are those that count."""
    bar = barred(person, parties)
    if bar is not None:
        return bar
    if any(signature.person == person.id for signature in signatures):
        return MayNot(NotApprover.SIGNED, "You have approved this already, and nobody counts twice.")
    if not could_approve(approval, person):
        return _not_named(approval)
    waiting = [number for number, step in enumerate(steps_of(approval, signatures)) if not step.is_met]
    if waiting and is_named(approval.steps[waiting[0]], person):
        return May(waiting[0])
    return _not_this_step(approval, person, waiting)


def may_approve_narrower(approval: ApprovalPolicy, person: Asker, *, parties: frozenset[str]) -> May | MayNot:
    """Tell for which step the person counts who has just made the wish narrower, so that no other signature holds."""
    bar = barred(person, parties)
    if bar is not None:
        return bar
    named = [number for number, step in enumerate(approval.steps) if is_named(step, person)]
    return May(named[0]) if named else _not_named(approval)


def may_refuse(approval: ApprovalPolicy, person: Asker, *, parties: frozenset[str]) -> MayNot | None:
    """Say why the person may not refuse a request; None when they may: whoever is named in any step may."""
    return barred(person, parties) or (None if could_approve(approval, person) else _not_named(approval))


def may_break_glass(approval: ApprovalPolicy, person: Asker, *, parties: frozenset[str]) -> MayNot | None:
    """Say why the person may not grant in an emergency; None when they may, because the policy names them."""
    bar = barred(person, parties)
    if bar is not None or may_break(approval, person):
        return bar
    who = any_of(sorted(approval.break_glass)) or "nobody"
    return MayNot(NotApprover.NOT_NAMED, f"In an emergency {approval.name} lets {who} grant alone; you are not named.")


def counted(
    approval: ApprovalPolicy, signed: Sequence[tuple[Asker, int]], *, parties: frozenset[str]
) -> tuple[Signature, ...]:
    """Choose the signatures that count under this approval: their givers, as they are now, may still give them.

    A signature stays with the step it was given for. One that does not count may be given again.
    """
    kept: list[Signature] = []
    for person, step in signed:
        if _counts(approval, person, step, kept, parties):
            kept.append(Signature(person.id, step))
    return tuple(kept)


def steps_of(approval: ApprovalPolicy, signatures: Sequence[Signature]) -> tuple[StepStanding, ...]:
    """Say how each step stands, in order."""
    return tuple(
        StepStanding(
            name=step.name,
            needed=step.count,
            signed=tuple(signature.person for signature in signatures if signature.step == number),
            teams=tuple(sorted(step.teams)),
            roles=tuple(sorted(step.roles)),
        )
        for number, step in enumerate(approval.steps)
    )


def is_met(approval: ApprovalPolicy, signatures: Sequence[Signature]) -> bool:
    """Tell whether every step has all the signatures it needs; without steps it is met from the start."""
    return all(step.is_met for step in steps_of(approval, signatures))


def could_approve(approval: ApprovalPolicy, person: Asker) -> bool:
    """Tell whether the person is named in any step, whatever has been signed."""
    return any(is_named(step, person) for step in approval.steps)


def may_break(approval: ApprovalPolicy, person: Asker) -> bool:
    """Tell whether the policy names the person for emergencies, by sign-in name."""
    return person.id.partition(":")[2] in approval.break_glass


def barred(person: Asker, parties: frozenset[str]) -> MayNot | None:
    """Say why the person decides nothing about this request, whoever the policy names; None when nothing bars them."""
    if person.id in parties:
        return MayNot(NotApprover.PARTY, "You asked for this, so someone else must decide.")
    if person.kind is not OwnerKind.USER:
        return MayNot(NotApprover.NOT_A_PERSON, "Only people approve; sign in as yourself.")
    if not person.active:
        return MayNot(
            NotApprover.INACTIVE, "Your account is not active, so your approval does not count. Ask an admin."
        )
    return None


def is_named(step: ApprovalStep, person: Asker) -> bool:
    """Tell whether the person is in one of the step's teams or has one of its roles."""
    return not step.teams.isdisjoint(person.teams) or not step.roles.isdisjoint(person.roles)


def _counts(
    approval: ApprovalPolicy, person: Asker, step: int, kept: Sequence[Signature], parties: frozenset[str]
) -> bool:
    if barred(person, parties) is not None or step >= len(approval.steps):
        return False
    if any(signature.person == person.id for signature in kept):
        return False
    given = sum(signature.step == step for signature in kept)
    return given < approval.steps[step].count and is_named(approval.steps[step], person)


def _not_named(approval: ApprovalPolicy) -> MayNot:
    whose = "; ".join(dict.fromkeys(_whose(sorted(step.teams), sorted(step.roles)) for step in approval.steps))
    asked = f"asks for {whose}" if whose else "asks for nobody's approval"
    return MayNot(NotApprover.NOT_NAMED, f"The approval {approval.name} {asked}; you are not among them.")


def _not_this_step(approval: ApprovalPolicy, person: Asker, waiting: Sequence[int]) -> MayNot:
    later = [number for number in waiting if is_named(approval.steps[number], person)]
    if later:
        first, own = approval.steps[waiting[0]].name, approval.steps[later[0]].name
        sentence = f"Steps are taken in order: “{first}” comes first, then you may approve “{own}”."
        return MayNot(NotApprover.NOT_YET, sentence)
    own = next(step.name for step in approval.steps if is_named(step, person))
    return MayNot(NotApprover.NOT_NEEDED, f"“{own}” has all the approvals it needs.")


def _whose(teams: Sequence[str], roles: Sequence[str]) -> str:
    return any_of(_titled(teams, roles))


def _titled(teams: Sequence[str], roles: Sequence[str]) -> Iterator[str]:
    yield from (f"the team {name}" for name in teams)
    yield from (f"the role {name}" for name in roles)
