"""The limits of a rule with the defaults of the set filled in, and whether they fit together."""

from collections.abc import Iterator

from keymgr.policy.documents_limits import AllowedCidrsPart, LimitsPart, QuotaPart, RateLimitPart
from keymgr.policy.documents_rules import IssuanceRuleDocument
from keymgr.policy.documents_set import PolicySetDocument
from keymgr.policy.durations import write_duration
from keymgr.policy.index import Written
from keymgr.policy.model import CidrRule, Limits, RateLimit
from keymgr.policy.networks import in_order
from keymgr.policy.problems import Problem, at

QUOTA = "quota"


def limit_problems_of_set(written: Written[PolicySetDocument]) -> Iterator[Problem]:
    """Yield what does not fit together in the defaults of the set."""
    yield from _pairs(written, ("spec", "defaults"), written.model.spec.defaults, written.model.spec.defaults)


def limit_problems_of_rule(written: Written[IssuanceRuleDocument], defaults: LimitsPart) -> Iterator[Problem]:
    """Yield what is missing or does not fit together in the limits of a rule."""
    own = written.model.spec.limits
    merged = merge(own, defaults)
    for field in ("max_ttl", "max_keys_per_owner"):
        if getattr(merged, field) is None:
            message = f"neither the rule nor the defaults of the PolicySet set {field}"
            yield at(written.place("spec", "limits"), "E307", message, f"write limits: {{{field}: …}}")
    yield from _pairs(written, ("spec", "limits"), own, merged)


def merge(own: LimitsPart, defaults: LimitsPart) -> LimitsPart:
    """Return the limits with each field that is left out taken whole from the defaults.

    A default lifetime that is taken from the set is no longer than the rule's own longest one.
    """
    written = {field: getattr(own, field) for field in own.model_fields_set}
    merged = defaults.model_copy(update=written)
    if own.default_ttl is None and merged.default_ttl is not None and merged.max_ttl is not None:
        return merged.model_copy(update={"default_ttl": min(merged.default_ttl, merged.max_ttl)})
    return merged


def limits_of(merged: LimitsPart) -> Limits:
    """Return merged limits as a value; `max_ttl` and `max_keys_per_owner` are known to be set."""
    max_ttl = merged.max_ttl or 0
    return Limits(
        max_ttl_seconds=max_ttl,
        default_ttl_seconds=merged.default_ttl or max_ttl,
        rotate_every_seconds=merged.rotate_every,
        rotation_overlap_seconds=merged.rotation_overlap or 0,
        max_keys_per_owner=merged.max_keys_per_owner or 0,
        idle_expiry_seconds=merged.idle_expiry,
        rate_limits=_windows(merged.rate_limits),
        owner_rate_limits=_windows(merged.owner_rate_limits),
        quota=_quota(merged.quota),
        cidrs=_cidrs(merged.allowed_cidrs or AllowedCidrsPart()),
        token=merged.token,
    )


def _pairs(
    written: Written[PolicySetDocument] | Written[IssuanceRuleDocument],
    path: tuple[str, ...],
    own: LimitsPart,
    merged: LimitsPart,
) -> Iterator[Problem]:
    """Compare fields that bound each other; told only where one of the two is written here."""
    for shorter, longer, equal_fits in (("default_ttl", "max_ttl", True), ("rotation_overlap", "rotate_every", False)):
        low, high = getattr(merged, shorter), getattr(merged, longer)
        here = [field for field in (shorter, longer) if field in own.model_fields_set]
        if not here or low is None or high is None or low < high or (equal_fits and low == high):
            continue
        than = "is longer than" if equal_fits else "is not shorter than"
        message = f"{shorter} {write_duration(low)} {than} {longer} {write_duration(high)}"
        yield at(written.place(*path, here[0]), "E307", message, f"write a shorter {shorter}, or a longer {longer}")


def _windows(written: tuple[RateLimitPart, ...]) -> tuple[RateLimit, ...]:
    limits = (RateLimit(each.name, each.requests, each.per) for each in written)
    return tuple(sorted(limits, key=lambda limit: (limit.per_seconds, limit.name)))


def _quota(written: QuotaPart | None) -> RateLimit | None:
    return None if written is None else RateLimit(QUOTA, written.requests, written.per)


def _cidrs(written: AllowedCidrsPart) -> CidrRule:
    return CidrRule(written.required, in_order(written.within), written.max_entries)
