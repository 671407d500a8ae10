"""What a key was granted and on what evidence, as JSON in its row and back."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from keymgr.policy.decision import Terms
from keymgr.policy.model import Evidence, FactValue, RateLimit


def terms_record(terms: Terms) -> dict[str, Any]:
    """Write the terms that outlive the decision: limits to count and dates to keep, times in seconds."""
    limits = terms.limits
    return {
        "rate_limits": [asdict(limit) for limit in limits.rate_limits],
        "owner_rate_limits": [asdict(limit) for limit in limits.owner_rate_limits],
        "quota": None if limits.quota is None else asdict(limits.quota),
        "rotate_every_seconds": limits.rotate_every_seconds,
        "rotation_overlap_seconds": limits.rotation_overlap_seconds,
        "idle_expiry_seconds": limits.idle_expiry_seconds,
    }


def rate_limits(record: Mapping[str, Any], name: str) -> tuple[RateLimit, ...]:
    """Read `rate_limits` or `owner_rate_limits` of a key's terms back."""
    return tuple(RateLimit(**limit) for limit in record[name])


def evidence_record(evidence: Evidence) -> dict[str, Any]:
    """Write the evidence a decision was taken on; a tuple becomes a list."""
    facts = {name: list(value) if isinstance(value, tuple) else value for name, value in evidence.facts.items()}
    return {"facts": facts, "keys_held": evidence.keys_held}


def evidence_of(record: Mapping[str, Any]) -> Evidence:
    """Read evidence back; a list becomes a tuple."""
    facts: dict[str, FactValue] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in record["facts"].items()
    }
    return Evidence(facts=facts, keys_held=record["keys_held"])
