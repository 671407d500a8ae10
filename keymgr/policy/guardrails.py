"""What guardrails say about a case: all their objections at once, and the ceilings they set for any key."""

from collections.abc import Iterator
from dataclasses import dataclass

from keymgr.policy.case import Case
from keymgr.policy.decision import GuardrailHit, Reason, Unmet
from keymgr.policy.model import Enforcement, Guardrail, Waiver
from keymgr.policy.networks import inside
from keymgr.policy.places import place
from keymgr.policy.wording import all_of, count, span


@dataclass(frozen=True, slots=True)
class Review:
    """Every objection of every guardrail that applies, by guardrail name, and the waivers that silenced others."""

    hits: tuple[GuardrailHit, ...]
    waivers: tuple[Waiver, ...]

    @property
    def refusals(self) -> tuple[Unmet, ...]:
        """The objections that refuse; the others are only shown or recorded."""
        return refusing(self.hits)

    @property
    def waived(self) -> tuple[str, ...]:
        """The names of the guardrails that would have objected."""
        return tuple(waiver.guardrail for waiver in self.waivers)


def refusing(hits: tuple[GuardrailHit, ...]) -> tuple[Unmet, ...]:
    """Return the objections that refuse, out of all hits."""
    return tuple(hit.unmet for hit in hits if hit.enforcement is Enforcement.ENFORCE)


def applying(case: Case) -> tuple[Guardrail, ...]:
    """Return the guardrails whose selectors all match the case, by name."""
    found = [guardrail for guardrail in case.policy.guardrails.values() if _applies(guardrail, case)]
    found.sort(key=lambda guardrail: guardrail.name)
    return tuple(found)


def review(
    case: Case, guardrails: tuple[Guardrail, ...], *, ttl_seconds: int | None, steps: int | None = None
) -> Review:
    """Ask the guardrails that apply; a lifetime or number of approval steps that is None is not judged yet."""
    hits: list[GuardrailHit] = []
    waivers: list[Waiver] = []
    for guardrail in guardrails:
        objections = tuple(_objections(guardrail, case, ttl_seconds, steps))
        waiver = waiver_of(guardrail, case) if objections else None
        if waiver is not None:
            waivers.append(waiver)
            continue
        hits.extend(GuardrailHit(guardrail.name, guardrail.enforcement, unmet) for unmet in objections)
    return Review(tuple(hits), tuple(waivers))


def binding(case: Case, guardrails: tuple[Guardrail, ...]) -> tuple[Guardrail, ...]:
    """Return those of the guardrails that apply which narrow what a key may get: enforced and not waived."""
    return tuple(
        guardrail
        for guardrail in guardrails
        if guardrail.enforcement is Enforcement.ENFORCE and waiver_of(guardrail, case) is None
    )


def waiver_of(guardrail: Guardrail, case: Case) -> Waiver | None:
    """Return the waiver that silences the guardrail for this owner and target, None when there is none or it is over.

    A bare owner name means a person; a service account is named as `svc:NAME`. Of several the longest-lived counts.
    """
    if not guardrail.waivable:
        return None
    fitting = [waiver for waiver in case.policy.waivers.values() if _covers(waiver, guardrail, case)]
    return max(fitting, key=lambda waiver: (waiver.expires_at, waiver.name), default=None)


def _covers(waiver: Waiver, guardrail: Guardrail, case: Case) -> bool:
    return (
        waiver.guardrail == guardrail.name
        and case.asker.id in (waiver.owner, f"user:{waiver.owner}")
        and waiver.service == case.service.name
        and case.environment.name in waiver.environments
        and case.now < waiver.expires_at
    )


def _applies(guardrail: Guardrail, case: Case) -> bool:
    return (
        _selects(guardrail.services, case.service.name)
        and _selects(guardrail.environments, case.environment.name)
        and _selects(guardrail.tiers, case.environment.tier)
        and _selects(guardrail.owner_kinds, case.asker.kind)
        and (not guardrail.teams or not guardrail.teams.isdisjoint(case.asker.teams))
        and (not (guardrail.risks or guardrail.scopes) or bool(_touched(guardrail, case)))
    )


def _selects(selector: frozenset[str], value: str) -> bool:
    return not selector or value in selector


def _touched(guardrail: Guardrail, case: Case) -> tuple[str, ...]:
    return tuple(
        scope.name
        for scope in case.scopes
        if _selects(guardrail.risks, scope.risk) and _selects(guardrail.scopes, scope.name)
    )


def _objections(guardrail: Guardrail, case: Case, ttl_seconds: int | None, steps: int | None) -> Iterator[Unmet]:
    yield from _denial(guardrail, case)
    yield from _ceilings(guardrail, case, ttl_seconds)
    yield from _networks(guardrail, case)
    if steps is not None and steps < guardrail.approval_steps_min:
        yield too_few_steps(guardrail, steps)


def _denial(guardrail: Guardrail, case: Case) -> Iterator[Unmet]:
    if guardrail.deny_reason is not None:
        names = all_of(_touched(guardrail, case))
        sentence = f"The guardrail {guardrail.name} refuses {names} on {case.target}: {guardrail.deny_reason}."
        yield Unmet(Reason.GUARDRAIL_DENY, sentence.replace("..", "."), place(guardrail, "spec.deny.reason"))


def _ceilings(guardrail: Guardrail, case: Case, ttl_seconds: int | None) -> Iterator[Unmet]:
    longest, most = guardrail.max_ttl_seconds, guardrail.max_keys_per_owner
    if longest is not None and ttl_seconds is not None and ttl_seconds > longest:
        sentence = f"The guardrail {guardrail.name} allows at most {span(longest)}; you asked for {span(ttl_seconds)}."
        yield Unmet(Reason.GUARDRAIL_CEILING, sentence, place(guardrail, "spec.ceilings.max_ttl"))
    held = case.evidence.keys_held
    if most is not None and held >= most:
        limit = f"The guardrail {guardrail.name} allows at most {count(most, 'key')} for {case.target}"
        sentence = f"{limit}; {case.voice.subject} {case.voice.hold} {held}. Revoke one first."
        yield Unmet(Reason.GUARDRAIL_CEILING, sentence, place(guardrail, "spec.ceilings.max_keys_per_owner"))


def _networks(guardrail: Guardrail, case: Case) -> Iterator[Unmet]:
    if guardrail.cidrs_required and not case.networks:
        sentence = f"The guardrail {guardrail.name} asks where the key is used from; name at least one network."
        yield Unmet(Reason.GUARDRAIL_REQUIRE, sentence, place(guardrail, "spec.require.allowed_cidrs"))
    swallowed = [str(network) for network in guardrail.forbidden_cidrs if inside(network, case.merged_networks)]
    if swallowed:
        sentence = f"The guardrail {guardrail.name} refuses {all_of(swallowed)}; name smaller networks."
        yield Unmet(Reason.GUARDRAIL_CIDR, sentence, place(guardrail, "spec.forbid_cidrs"))


def too_few_steps(guardrail: Guardrail, steps: int) -> Unmet:
    """Say that a rule's approval policy has fewer steps than the guardrail asks for."""
    wanted = count(guardrail.approval_steps_min, "approval step")
    sentence = f"The guardrail {guardrail.name} asks for {wanted}; this rule has {steps}. Ask the rule's owner."
    return Unmet(Reason.GUARDRAIL_REQUIRE, sentence, place(guardrail, "spec.require.approval_steps"))
