"""The guards of a policy set: the stricter of two, what makes one looser, and when a guardrail is looser."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from keymgr.policy.documents import Document, typed
from keymgr.policy.documents_set import ChangeGuard, GuardsPart, PolicySetDocument, ThresholdPart
from keymgr.policy.model import Enforcement, Guardrail

PERCENT_FROM = 20
_BY_FORCE = (Enforcement.AUDIT, Enforcement.WARN, Enforcement.ENFORCE)


@dataclass(frozen=True, slots=True)
class Threshold:
    """How many are too many: more than `count`, or more than `percent` of a total of 20 and up."""

    count: int
    percent: int

    def is_over(self, value: int, total: int) -> bool:
        """Tell whether so many out of so many are too many."""
        return value > self.most(total)

    def most(self, total: int) -> int:
        """Return how many out of so many are still let through."""
        return self.count if total < PERCENT_FROM else min(self.count, self.percent * total // 100)


@dataclass(frozen=True, slots=True)
class Guards:
    """What stops an apply; a threshold that is None never does."""

    min_portal_admins: int
    required_admins: frozenset[str]
    max_objects_pruned: Threshold | None
    max_keys_losing_access: Threshold | None
    always_ack: frozenset[ChangeGuard]


def guards_of(documents: Iterable[Document]) -> Guards:
    """Return the guards of the one PolicySet among documents."""
    models = (typed(document) for document in documents if document.kind == "PolicySet")
    part = next((model.spec.guards for model in models if isinstance(model, PolicySetDocument)), GuardsPart())
    return Guards(
        min_portal_admins=part.min_portal_admins,
        required_admins=frozenset(part.required_admins),
        max_objects_pruned=_threshold(part.max_objects_pruned),
        max_keys_losing_access=_threshold(part.max_keys_losing_access),
        always_ack=frozenset(part.always_ack),
    )


def stricter(one: Guards, other: Guards) -> Guards:
    """Return guards that stop whatever either of the two would stop."""
    return Guards(
        min_portal_admins=max(one.min_portal_admins, other.min_portal_admins),
        required_admins=one.required_admins | other.required_admins,
        max_objects_pruned=_lower(one.max_objects_pruned, other.max_objects_pruned),
        max_keys_losing_access=_lower(one.max_keys_losing_access, other.max_keys_losing_access),
        always_ack=one.always_ack | other.always_ack,
    )


def loosened(before: Guards, after: Guards) -> Iterator[str]:
    """Yield each guard that lets through more than before."""
    if after.min_portal_admins < before.min_portal_admins:
        yield f"min_portal_admins {before.min_portal_admins} -> {after.min_portal_admins}"
    yield from (f"required_admins without {name}" for name in sorted(before.required_admins - after.required_admins))
    for name, old, new in (
        ("max_objects_pruned", before.max_objects_pruned, after.max_objects_pruned),
        ("max_keys_losing_access", before.max_keys_losing_access, after.max_keys_losing_access),
    ):
        if old is not None and (new is None or new.count > old.count or new.percent > old.percent):
            yield f"{name} {_shown(old)} -> {_shown(new)}"
    yield from (f"always_ack without {guard}" for guard in sorted(before.always_ack - after.always_ack))


def is_looser(before: Guardrail, after: Guardrail) -> bool:
    """Tell whether there may be a key that only the guardrail before would have stopped."""
    return not (
        _looks_at_as_much(before, after)
        and _BY_FORCE.index(after.enforcement) >= _BY_FORCE.index(before.enforcement)
        and _demands_as_much(before, after)
        and (before.waivable or not after.waivable)
    )


def _looks_at_as_much(before: Guardrail, after: Guardrail) -> bool:
    pairs: tuple[tuple[frozenset[str], frozenset[str]], ...] = (
        (before.services, after.services),
        (before.environments, after.environments),
        (before.tiers, after.tiers),
        (before.teams, after.teams),
        (before.owner_kinds, after.owner_kinds),
        (before.risks, after.risks),
        (before.scopes, after.scopes),
    )
    return all(not new or (bool(old) and old <= new) for old, new in pairs)


def _demands_as_much(before: Guardrail, after: Guardrail) -> bool:
    ceilings = (
        (before.max_ttl_seconds, after.max_ttl_seconds),
        (before.rotate_every_seconds, after.rotate_every_seconds),
        (before.max_keys_per_owner, after.max_keys_per_owner),
    )
    return (
        all(old is None or (new is not None and new <= old) for old, new in ceilings)
        and after.cidrs_required >= before.cidrs_required
        and after.approval_steps_min >= before.approval_steps_min
        and set(before.forbidden_cidrs) <= set(after.forbidden_cidrs)
        and (before.deny_reason is None or after.deny_reason is not None)
    )


def _threshold(part: ThresholdPart | None) -> Threshold | None:
    return None if part is None else Threshold(part.count, part.percent)


def _lower(one: Threshold | None, other: Threshold | None) -> Threshold | None:
    if one is None or other is None:
        return one or other
    return Threshold(min(one.count, other.count), min(one.percent, other.percent))


def _shown(threshold: Threshold | None) -> str:
    return "none" if threshold is None else f"{threshold.count} or {threshold.percent} %"
