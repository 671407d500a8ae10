"""Warnings about issuance rules: too wide, out of reach, superfluous, unexplained, or unlimited in production."""

from collections.abc import Iterator

from keymgr.policy.documents_rules import EVERY_SCOPE, IssuanceRuleDocument
from keymgr.policy.index import Written
from keymgr.policy.lint_codes import Finding, Subject, found
from keymgr.policy.lint_cover import covering
from keymgr.policy.lint_people import keepers, owners
from keymgr.policy.model import Enforcement, OwnerKind, Policy, Risk, Rule, Tier
from keymgr.policy.reach import Reach, always_meets, reach_of
from keymgr.policy.wording import all_of, any_of

_Written = Written[IssuanceRuleDocument]
_HARMFUL = frozenset({Risk.HIGH, Risk.CRITICAL})


def rule_findings(subject: Subject) -> Iterator[Finding]:
    """Yield the warnings about each rule by itself and beside the others."""
    for name, written in subject.index.rules.items():
        rule = subject.policy.rules[name]
        reach = reach_of(rule, subject.policy)
        yield from _wildcard(written, reach)
        yield from _out_of_reach(written, rule, subject.policy)
        yield from _always_denied(written, reach, subject.policy)
        yield from _covered(written, rule, subject.policy)
        yield from _unexplained(written, reach)
        yield from _unlimited(written, reach, subject.policy)


def _wildcard(written: _Written, reach: Reach) -> Iterator[Finding]:
    harmful = sorted(scope.name for scope in reach.scopes if scope.risk in _HARMFUL)
    if harmful and EVERY_SCOPE in written.model.spec.grants.scopes:
        message = f'"*" also gives {all_of(harmful)}, and whatever the service adds later'
        yield found(
            "W401", written, message, "name the scopes, or leave these out with except", "spec", "grants", "scopes"
        )


def _out_of_reach(written: _Written, rule: Rule, policy: Policy) -> Iterator[Finding]:
    if not (owners(rule, policy).any or keepers(rule, policy).any):
        kinds = {OwnerKind.USER: "nobody", OwnerKind.SERVICE_ACCOUNT: "no service account"}
        who = " and ".join(words for kind, words in kinds.items() if kind in rule.owner_kinds)
        asked = [f"is in the team {any_of(sorted(rule.teams))}"] if rule.teams else []
        asked += [f"has the role {any_of(sorted(rule.roles))}"] if rule.roles else []
        remedy = "list members or idp_groups there, or remove the rule"
        yield found("W402", written, f"{who} {' and '.join(asked)}", remedy, "spec", "subjects")


def _always_denied(written: _Written, reach: Reach, policy: Policy) -> Iterator[Finding]:
    for guardrail in policy.guardrails.values():
        final = guardrail.enforcement is Enforcement.ENFORCE and not guardrail.waivable
        if final and guardrail.deny_reason is not None and always_meets(guardrail, reach):
            message = f"the guardrail {guardrail.name} refuses everything this rule gives"
            yield found("W402", written, message, "remove the rule, or narrow the guardrail", "spec", "grants")


def _covered(written: _Written, rule: Rule, policy: Policy) -> Iterator[Finding]:
    wider = covering(rule, policy)
    if wider is not None:
        message = f"whatever this rule gives, {wider.name} at {wider.source} gives already"
        yield found("W403", written, message, "remove one of the two, or make them differ")


def _unexplained(written: _Written, reach: Reach) -> Iterator[Finding]:
    critical = sorted(scope.name for scope in reach.scopes if scope.risk is Risk.CRITICAL)
    if critical and not written.model.metadata.description:
        message = f"the rule gives the critical {all_of(critical)} and does not say why"
        yield found("W411", written, message, "write metadata.description", "metadata")


def _unlimited(written: _Written, reach: Reach, policy: Policy) -> Iterator[Finding]:
    """Production needs a rate limit always, and source networks where a scope can do real harm."""
    if all(environment.tier is not Tier.PROD for environment in reach.environments):
        return
    limits = reach.rule.limits
    if not (limits.rate_limits or limits.owner_rate_limits or limits.quota):
        message = "keys in production may be called without any rate limit or quota"
        yield found("W412", written, message, "write rate_limits here or in the defaults of the set", "spec", "limits")
    harmful = sorted(scope.name for scope in reach.scopes if scope.risk in _HARMFUL)
    if harmful and not limits.cidrs.required and not _needs_networks(reach, policy):
        message = f"{all_of(harmful)} in production may be used from any network"
        remedy = "write allowed_cidrs with required: true, here or in a guardrail"
        yield found("W412", written, message, remedy, "spec", "limits", "allowed_cidrs")


def _needs_networks(reach: Reach, policy: Policy) -> bool:
    return any(
        guardrail.cidrs_required and guardrail.enforcement is Enforcement.ENFORCE and always_meets(guardrail, reach)
        for guardrail in policy.guardrails.values()
    )
