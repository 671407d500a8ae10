"""How a live key stands against a policy: the same engine as for a new wish, without approvals and counts."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from keymgr.policy.acceptance import unmet_of
from keymgr.policy.case import Case, open_case
from keymgr.policy.decide import accepting_rules, considered_rules
from keymgr.policy.decision import GuardrailHit, Near, Reason, Unmet
from keymgr.policy.guardrails import Review, applying, binding, review
from keymgr.policy.model import (
    Asker,
    Enforcement,
    Evidence,
    ExistingKeys,
    FactValue,
    Guardrail,
    Policy,
    Rule,
    ViolationAction,
    Wish,
)
from keymgr.policy.nearest import why_none

SECONDS_PER_DAY = 86_400
_BY_SEVERITY = (ViolationAction.FLAG, ViolationAction.SUSPEND, ViolationAction.EXPIRE, ViolationAction.REVOKE)


class Verdict(StrEnum):
    """How a live key stands; `unknown` means evidence is missing and is never a pass."""

    EXEMPT = "exempt"
    OK = "ok"
    OK_BY_ANOTHER_RULE = "ok_by_another_rule"
    UNKNOWN = "unknown"
    VIOLATES = "violates"


@dataclass(frozen=True, slots=True)
class LiveKey:
    """A key as it was issued; times in Unix seconds, `rule` the one it was issued by, None when that is not known.

    `last_used_at` None means never used. `facts` is the evidence stored with the key; `id` only names it in a plan.
    `asker` is the owner as the policy sees them that the key is judged by; `asker_before` as the one before a change
    does, None when that is the same.
    """

    asker: Asker
    service: str
    environment: str
    scopes: frozenset[str]
    cidrs: tuple[str, ...]
    issued_at: int
    expires_at: int
    facts: Mapping[str, FactValue]
    rule: str | None = None
    last_used_at: int | None = None
    id: str = ""
    asker_before: Asker | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """A verdict with its reason, the rule that carries the key, and what follows.

    `action` and `grace_seconds` are None when nothing follows; `exempt_until` ends the waivers of an exempt key.
    `hits` holds objections of guardrails that only warn or record as well; `nearest` is the rule that missed least;
    `notify` names who is told.
    """

    verdict: Verdict
    rule: str | None = None
    reasons: tuple[Unmet, ...] = ()
    action: ViolationAction | None = None
    grace_seconds: int | None = None
    exempt_until: int | None = None
    hits: tuple[GuardrailHit, ...] = ()
    nearest: Near | None = None
    notify: tuple[str, ...] = ()


def standing_of(policy: Policy, key: LiveKey, now: int) -> Standing:
    """Judge a live key by `policy`. Approval is a fact of issuance: a stricter approval policy breaks no live key."""
    wish = Wish(key.service, key.environment, key.scopes, key.expires_at - key.issued_at, key.cidrs)
    case = open_case(policy, key.asker, wish, Evidence(_facts(key, now)), now)
    if not isinstance(case, Case):
        return _violates(case, _consequence(policy, key, None))
    guardrails = applying(case)
    reviewed = review(case, guardrails, ttl_seconds=wish.ttl_seconds)
    refusals = reviewed.refusals
    if refusals:
        return _violates(refusals, _strictest(policy, reviewed), reviewed.hits)
    ceilings = tuple(_without_steps(guardrail) for guardrail in binding(case, guardrails))
    carrying = _carrying(case, key, ceilings)
    if carrying is None:
        return _out_of_policy(case, key, considered_rules(case, ceilings), reviewed.hits)
    if reviewed.waivers:
        until = min(waiver.expires_at for waiver in reviewed.waivers)
        return Standing(Verdict.EXEMPT, carrying, exempt_until=until, hits=reviewed.hits)
    moved = key.rule is not None and carrying != key.rule
    return Standing(Verdict.OK_BY_ANOTHER_RULE if moved else Verdict.OK, carrying, hits=reviewed.hits)


def _carrying(case: Case, key: LiveKey, ceilings: tuple[Guardrail, ...]) -> str | None:
    """Name the rule that carries the key: its own while that accepts it, else the first of those that do."""
    own = case.policy.rules.get(key.rule or "")
    if own is not None and own.service == case.service.name and not unmet_of(own, case, ceilings):
        return own.name
    accepting = accepting_rules(case, ceilings)
    return accepting[0].name if accepting else None


def _without_steps(guardrail: Guardrail) -> Guardrail:
    return replace(guardrail, approval_steps_min=0) if guardrail.approval_steps_min else guardrail


def _facts(key: LiveKey, now: int) -> Mapping[str, FactValue]:
    last_used_at = key.issued_at if key.last_used_at is None else key.last_used_at
    unused_days = max(0, now - last_used_at) // SECONDS_PER_DAY
    return {**key.facts, "key.age": max(0, now - key.issued_at), "key.last_used_days": unused_days}


def _out_of_policy(case: Case, key: LiveKey, considered: tuple[Near, ...], hits: tuple[GuardrailHit, ...]) -> Standing:
    """Missing evidence alone is `unknown` and only ever flags: what was not written down is no proof of a breach."""
    for near in considered:
        if all(unmet.reason is Reason.FACT_UNKNOWN for unmet in near.unmet):
            follows = replace(near.rule.existing_keys, on_violation=ViolationAction.FLAG)
            return replace(_standing(Verdict.UNKNOWN, near.unmet, follows, hits), nearest=near)
    reasons = why_none(considered, case)
    nearest = considered[0] if considered else None
    spoken_of = nearest.rule if nearest and reasons == nearest.unmet else None
    return replace(_violates(reasons, _consequence(case.policy, key, spoken_of), hits), nearest=nearest)


def _consequence(policy: Policy, key: LiveKey, spoken_of: Rule | None) -> ExistingKeys:
    """Return what the key's own rule says, else the rule that it misses, else the set's default."""
    rule = policy.rules.get(key.rule or "") or spoken_of
    return rule.existing_keys if rule else policy.existing_keys


def _strictest(policy: Policy, reviewed: Review) -> ExistingKeys:
    enforced = (hit.guardrail for hit in reviewed.hits if hit.enforcement is Enforcement.ENFORCE)
    following = (policy.guardrails[name].existing_keys for name in enforced)
    return max(following, key=lambda follows: (_BY_SEVERITY.index(follows.on_violation), -follows.grace_seconds))


def _violates(reasons: tuple[Unmet, ...], follows: ExistingKeys, hits: tuple[GuardrailHit, ...] = ()) -> Standing:
    return _standing(Verdict.VIOLATES, reasons, follows, hits)


def _standing(
    verdict: Verdict, reasons: tuple[Unmet, ...], follows: ExistingKeys, hits: tuple[GuardrailHit, ...]
) -> Standing:
    return Standing(
        verdict,
        reasons=reasons,
        action=follows.on_violation,
        grace_seconds=follows.grace_seconds,
        hits=hits,
        notify=follows.notify,
    )
