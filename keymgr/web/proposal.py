"""The rule somebody could propose so that a refused wish would be granted: YAML to put into a pull request."""

import json
from collections.abc import Iterable

from keymgr.policy.model import Asker, OwnerKind, Policy, Tier, Wish

_DEFAULT_TTL_SECONDS = 30 * 86_400


def proposed_rule(policy: Policy, asker: Asker, wish: Wish) -> str | None:
    """Write the narrowest rule that would grant the wish to the asker's team or role; None where there is no such rule.

    Production asks for the first approval policy, so that a proposal is never wider than it has to be.
    """
    service = policy.services.get(wish.service)
    environment = policy.environments.get(wish.environment)
    subjects = _subjects(asker)
    if service is None or environment is None or not subjects:
        return None
    name = "-".join(("allow", service.name, environment.name, *subjects[1]))[:63].rstrip("-")
    approval = next(iter(sorted(policy.approvals)), "none") if environment.tier is Tier.PROD else "none"
    scopes = _names(sorted(wish.scopes))
    kind = "user" if asker.kind is OwnerKind.USER else "service_account"
    return "\n".join(
        (
            "apiVersion: keymgr/v1",
            "kind: IssuanceRule",
            f"metadata: {{name: {name}, owner: {service.owner}}}",
            "spec:",
            f"  subjects: {{{subjects[0]}: {_names(subjects[1])}, owner_kinds: [{kind}]}}",
            f"  grants: {{service: {service.name}, environments: {_names([environment.name])}, scopes: {scopes}}}",
            f"  limits: {{max_ttl: {_days(wish.ttl_seconds)}}}",
            f"  approval: {approval}",
            "",
        )
    )


def _subjects(asker: Asker) -> tuple[str, list[str]] | None:
    if asker.teams:
        return "teams", sorted(asker.teams)[:1]
    return ("roles", sorted(asker.roles)[:1]) if asker.roles else None


def _names(names: Iterable[str]) -> str:
    return json.dumps(list(names))


def _days(seconds: int | None) -> str:
    return f"{max(1, -(-(seconds or _DEFAULT_TTL_SECONDS) // 86_400))}d"
