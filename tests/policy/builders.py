"""Small policies made by hand: what `compile` would return, with only the fields a test speaks of."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from ipaddress import ip_network

from keymgr.policy.model import (
    ApprovalPolicy,
    ApprovalStep,
    Asker,
    CidrRule,
    Condition,
    Enforcement,
    Environment,
    Evidence,
    ExistingKeys,
    FactValue,
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
    Team,
    Tier,
    ViolationAction,
    Waiver,
    Wish,
)

DAY = 86_400
NOW = 1_770_000_000
NO_APPROVAL = ApprovalPolicy("none", ())
FLAG = ExistingKeys(ViolationAction.FLAG, 14 * DAY)
LIMITS = Limits(
    max_ttl_seconds=90 * DAY,
    default_ttl_seconds=30 * DAY,
    rotate_every_seconds=90 * DAY,
    rotation_overlap_seconds=7 * DAY,
    max_keys_per_owner=3,
)
SCOPES = {
    "charges:read": Risk.LOW,
    "charges:write": Risk.HIGH,
    "refunds:write": Risk.CRITICAL,
    "reports:read": Risk.MEDIUM,
}


def at(file: str, line: int, column: int = 1) -> Source:
    return Source(file, line, column)


def a_service(name: str = "payments", scopes: Mapping[str, Risk] = SCOPES) -> Service:
    declared = {scope: Scope(scope, risk, f"May {scope}") for scope, risk in scopes.items()}
    environments = ("dev", "staging", "prod")
    return Service(name, "payments", name.title(), "", environments, declared, at(f"services/{name}.yaml", 1))


def steps(count: int) -> ApprovalPolicy:
    made = tuple(ApprovalStep(f"step {n}", frozenset({"security"}), frozenset(), 1) for n in range(count))
    return ApprovalPolicy(f"{count}-steps", made)


def a_rule(
    name: str,
    *,
    teams: Iterable[str] = ("payments",),
    roles: Iterable[str] = (),
    kinds: Iterable[OwnerKind] = OwnerKind,
    service: str = "payments",
    environments: Iterable[str] = ("dev",),
    scopes: Iterable[str] = ("charges:read",),
    limits: Limits = LIMITS,
    approval: ApprovalPolicy = NO_APPROVAL,
    conditions: Iterable[Condition] = (),
    existing_keys: ExistingKeys = FLAG,
    marks: Mapping[str, Source] | None = None,
) -> Rule:
    return Rule(
        name=name,
        owner="payments",
        description="",
        roles=frozenset(roles),
        teams=frozenset(teams),
        owner_kinds=frozenset(kinds),
        service=service,
        environments=frozenset(environments),
        scopes=frozenset(scopes),
        limits=limits,
        approval=approval,
        conditions=tuple(conditions),
        existing_keys=existing_keys,
        on_owner_exit=OwnerExit.SUSPEND,
        source=at(f"rules/{name}.yaml", 1),
        marks=marks or {},
    )


def a_guardrail(
    name: str,
    *,
    enforcement: Enforcement = Enforcement.ENFORCE,
    services: Iterable[str] = (),
    environments: Iterable[str] = (),
    tiers: Iterable[Tier] = (),
    teams: Iterable[str] = (),
    kinds: Iterable[OwnerKind] = (),
    risks: Iterable[Risk] = (),
    scopes: Iterable[str] = (),
    max_ttl: int | None = None,
    rotate_every: int | None = None,
    max_keys: int | None = None,
    cidrs_required: bool = False,
    steps_min: int = 0,
    forbidden: Iterable[str] = (),
    deny: str | None = None,
    waivable: bool = False,
    existing_keys: ExistingKeys = FLAG,
    marks: Mapping[str, Source] | None = None,
) -> Guardrail:
    return Guardrail(
        name=name,
        owner="security",
        description="",
        enforcement=enforcement,
        services=frozenset(services),
        environments=frozenset(environments),
        tiers=frozenset(tiers),
        teams=frozenset(teams),
        owner_kinds=frozenset(kinds),
        risks=frozenset(risks),
        scopes=frozenset(scopes),
        max_ttl_seconds=max_ttl,
        rotate_every_seconds=rotate_every,
        max_keys_per_owner=max_keys,
        cidrs_required=cidrs_required,
        approval_steps_min=steps_min,
        forbidden_cidrs=tuple(ip_network(text) for text in forbidden),
        deny_reason=deny,
        waivable=waivable,
        existing_keys=existing_keys,
        source=at(f"guardrails/{name}.yaml", 1),
        marks=marks or {},
    )


def a_waiver(guardrail: str, *, owner: str = "ben", expires_at: int = NOW + DAY, name: str = "for-now") -> Waiver:
    return Waiver(name, guardrail, owner, "payments", frozenset({"dev"}), expires_at, at("waivers/w.yaml", 1))


def a_policy(
    *rules: Rule,
    guardrails: Iterable[Guardrail] = (),
    waivers: Iterable[Waiver] = (),
    services: Iterable[Service] = (),
) -> Policy:
    by_target: defaultdict[tuple[str, str], tuple[Rule, ...]] = defaultdict(tuple)
    for rule in rules:
        for environment in rule.environments:
            by_target[rule.service, environment] += (rule,)
    declared = tuple(services) or (a_service(),)
    teams = ("payments", "analytics", "security")
    return Policy(
        name="example",
        digest="sha256:0",
        environments={
            "dev": Environment("dev", Tier.NONPROD),
            "staging": Environment("staging", Tier.NONPROD),
            "prod": Environment("prod", Tier.PROD),
            "lab": Environment("lab", Tier.NONPROD),
        },
        teams={name: Team(name, name, frozenset(), frozenset(), at("teams.yaml", 1)) for name in teams},
        roles={},
        services={service.name: service for service in declared},
        approvals={},
        rules={rule.name: rule for rule in rules},
        guardrails={guardrail.name: guardrail for guardrail in guardrails},
        waivers={waiver.name: waiver for waiver in waivers},
        rules_by_target=dict(by_target),
    )


def limits(*, within: Iterable[str] | None = None, required: bool = False, entries_max: int = 16) -> Limits:
    networks = tuple(ip_network(text) for text in within or ())
    return replace(LIMITS, cidrs=CidrRule(required=required, within=networks, entries_max=entries_max))


def a_person(name: str = "ben", *, teams: Iterable[str] = ("payments",), roles: Iterable[str] = ()) -> Asker:
    return Asker(f"user:{name}", OwnerKind.USER, frozenset(teams), frozenset(roles))


def an_account(name: str = "pay-ci", *, teams: Iterable[str] = ("payments",)) -> Asker:
    return Asker(f"svc:{name}", OwnerKind.SERVICE_ACCOUNT, frozenset(teams))


def a_wish(
    *scopes: str,
    service: str = "payments",
    environment: str = "dev",
    ttl: int | None = None,
    cidrs: Iterable[str] = (),
) -> Wish:
    return Wish(service, environment, frozenset(scopes or ("charges:read",)), ttl, tuple(cidrs))


def evidence(facts: Mapping[str, FactValue] | None = None, *, keys_held: int = 0) -> Evidence:
    return Evidence(facts or {}, keys_held)
