"""How long one decision takes with 500 rules over 200 services: `python benchmarks/decide.py`."""

import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from ipaddress import ip_network

from keymgr.policy.decide import decide
from keymgr.policy.explain import explain
from keymgr.policy.model import (
    ApprovalPolicy,
    Asker,
    CidrRule,
    Condition,
    Enforcement,
    Environment,
    Evidence,
    ExistingKeys,
    Guardrail,
    Limits,
    OwnerExit,
    OwnerKind,
    Policy,
    Risk,
    Rule,
    Scope,
    Service,
    Source,
    Tier,
    ViolationAction,
    Wish,
)

SERVICES, RULES, GUARDRAILS, ROUNDS = 200, 500, 12, 5_000
HERE = Source("benchmark.yaml", 1, 1)
FLAG = ExistingKeys(ViolationAction.FLAG, 14 * 86_400)
ENVIRONMENTS = {
    "dev": Environment("dev", Tier.NONPROD),
    "staging": Environment("staging", Tier.NONPROD),
    "prod": Environment("prod", Tier.PROD),
}
SCOPES = {f"thing-{n}:read": Scope(f"thing-{n}:read", Risk.LOW, "") for n in range(8)}


def a_service(number: int) -> Service:
    """Return one service with eight scopes."""
    return Service(f"service-{number}", "team-0", "", "", tuple(ENVIRONMENTS), SCOPES, HERE)


def a_rule(number: int) -> Rule:
    """Return one rule with a limit of every sort and two conditions."""
    within = (ip_network("10.20.0.0/16"), ip_network("2001:db8:20::/48"))
    limits = Limits(90 * 86_400, 30 * 86_400, 90 * 86_400, 7 * 86_400, 5, cidrs=CidrRule(required=True, within=within))
    conditions = (
        Condition("issuance.ticket", "matches", "^(INC|CHG)-[0-9]+$", HERE),
        Condition("owner.status", "equals", "active", HERE),
    )
    return Rule(
        name=f"rule-{number}",
        owner="team-0",
        description="",
        roles=frozenset(),
        teams=frozenset({f"team-{number % 20}", "everybody"}),
        owner_kinds=frozenset(OwnerKind),
        service=f"service-{number % SERVICES}",
        environments=frozenset({"dev", "staging"}),
        scopes=frozenset(SCOPES),
        limits=limits,
        approval=ApprovalPolicy("none", ()),
        conditions=conditions,
        existing_keys=FLAG,
        on_owner_exit=OwnerExit.SUSPEND,
        source=HERE,
        marks={},
    )


def a_guardrail(number: int) -> Guardrail:
    """Return one guardrail that applies to everything and never objects."""
    nothing: frozenset[str] = frozenset()
    return Guardrail(
        name=f"guardrail-{number}",
        owner="team-0",
        description="",
        enforcement=Enforcement.ENFORCE,
        services=nothing,
        environments=nothing,
        tiers=frozenset(),
        teams=nothing,
        owner_kinds=frozenset(),
        risks=frozenset(),
        scopes=nothing,
        max_ttl_seconds=90 * 86_400,
        rotate_every_seconds=None,
        max_keys_per_owner=50,
        cidrs_required=True,
        approval_steps_min=0,
        forbidden_cidrs=(ip_network("0.0.0.0/0"), ip_network("::/0")),
        deny_reason=None,
        waivable=False,
        existing_keys=FLAG,
        source=HERE,
        marks={},
    )


def a_policy() -> Policy:
    """Return a policy as large as a big company's."""
    rules = [a_rule(number) for number in range(RULES)]
    targets: defaultdict[tuple[str, str], list[Rule]] = defaultdict(list)
    for rule in rules:
        for environment in rule.environments:
            targets[rule.service, environment].append(rule)
    return Policy(
        name="benchmark",
        digest="sha256:0",
        environments=ENVIRONMENTS,
        teams={},
        roles={},
        services={service.name: service for service in map(a_service, range(SERVICES))},
        approvals={},
        rules={rule.name: rule for rule in rules},
        guardrails={guardrail.name: guardrail for guardrail in map(a_guardrail, range(GUARDRAILS))},
        waivers={},
        rules_by_target={target: tuple(found) for target, found in targets.items()},
    )


def median_microseconds(call: Callable[[], object]) -> float:
    """Return the median time of one call."""
    taken = []
    for _ in range(ROUNDS):
        started = time.perf_counter_ns()
        call()
        taken.append(time.perf_counter_ns() - started)
    return statistics.median(taken) / 1_000


def main() -> None:
    """Print the median of a grant, of a refusal and of an explanation of eight scopes."""
    policy = a_policy()
    known = Evidence({"issuance.ticket": "CHG-4411"}, 1)
    insider = Asker("svc:robot", OwnerKind.SERVICE_ACCOUNT, frozenset({"everybody"}))
    outsider = Asker("svc:stray", OwnerKind.SERVICE_ACCOUNT, frozenset({"nobody"}))
    wish = Wish("service-7", "dev", frozenset(list(SCOPES)[:3]), 30 * 86_400, ("10.20.4.0/24",))
    everything = Wish("service-7", "dev", frozenset(SCOPES), 30 * 86_400, ("10.20.4.0/24",))
    print(f"{RULES} rules, {SERVICES} services, {GUARDRAILS} guardrails; median of {ROUNDS} calls")
    for what, call in (
        ("grant", lambda: decide(policy, insider, wish, known, 0)),
        ("refusal", lambda: decide(policy, outsider, wish, known, 0)),
        ("explanation of 8 scopes", lambda: explain(policy, insider, everything, known, 0)),
    ):
        print(f"{what:<24} {median_microseconds(call):8.1f} µs")


if __name__ == "__main__":
    main()
