"""Policy sets as plain objects that can be varied, written out as files, and read the way commands read them."""

import json
from collections.abc import Mapping
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from keymgr.policy.plan import Plan, plan
from keymgr.policy.read import ReadPolicy, read_policy
from tests.policy.folders import ROOT

EXAMPLE = ROOT / "tests" / "policy" / "example"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOW = int(NOON.timestamp())
Objects = dict[str, dict[str, Any]]
"""Documents by `Kind/name`; each holds its `spec`, and `metadata` beyond name and owner."""

# Other work on the machine must not fail a property; the suite has its own limit.
unhurried = settings(deadline=None, max_examples=30)
TEAMS = ("payments", "analytics", "security")
SCOPES = {"charges:read": "low", "charges:write": "high", "refunds:write": "critical", "reports:read": "medium"}


def files_of(objects: Objects, *, per_file: int = 1) -> dict[str, bytes]:
    """Write the documents, so many to a file; JSON is YAML."""
    texts = [
        json.dumps(
            {
                "apiVersion": "keymgr/v1",
                "kind": key.partition("/")[0],
                "metadata": {"name": key.partition("/")[2], "owner": "payments", **document.get("metadata", {})},
                "spec": document["spec"],
            },
            indent=1,
        )
        for key, document in objects.items()
    ]
    parts = [texts[start : start + per_file] for start in range(0, len(texts), per_file)]
    return {f"part-{number:04}.yaml": "\n---\n".join(part).encode() for number, part in enumerate(parts)}


def read(objects: Objects, *, per_file: int = 1) -> ReadPolicy:
    return read_files(files_of(objects, per_file=per_file))


def read_files(files: Mapping[str, bytes]) -> ReadPolicy:
    found = read_policy(files, now=NOON)
    assert isinstance(found, ReadPolicy), [str(problem) for problem in found]
    return found


def example(name: str) -> ReadPolicy:
    return read_files(files_in(EXAMPLE / name))


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.yaml"))}


def planned(base: Objects, head: Objects, **more: Any) -> Plan:  # noqa: ANN401 - passed through.
    return plan(read(base), read(head), now=NOW, **more)


def changed(objects: Objects, key: str, **spec: Any) -> Objects:  # noqa: ANN401 - any value of a field.
    """Return a copy with fields of one spec replaced, or left out where the value is None."""
    copy = deepcopy(objects)
    copy[key]["spec"] = {field: each for field, each in {**copy[key]["spec"], **spec}.items() if each is not None}
    return copy


def without(objects: Objects, *keys: str) -> Objects:
    return {key: deepcopy(document) for key, document in objects.items() if key not in keys}


def renamed(objects: Objects, key: str, name: str, *, told: bool = True) -> Objects:
    """Return a copy with one object under another name, `previously` telling so or not."""
    kind, _, former = key.partition("/")
    copy = without(objects, key)
    metadata = {**objects[key].get("metadata", {}), **({"previously": [former]} if told else {})}
    copy[f"{kind}/{name}"] = {"metadata": metadata, "spec": deepcopy(objects[key]["spec"])}
    return copy


def a_rule_spec(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any value of a field.
    spec = {
        "subjects": {"teams": ["payments"]},
        "grants": {"service": "payments-api", "environments": ["dev"], "scopes": ["charges:read"]},
        "approval": "none",
    }
    return {**spec, **changes}


def objects(rules: Objects | None = None, guards: dict[str, Any] | None = None) -> Objects:
    """Return a set with everything that rules may refer to."""
    environments = [
        {"name": name, "tier": "prod" if name == "prod" else "nonprod"} for name in ("dev", "staging", "prod")
    ]
    return {
        "PolicySet/acme": {
            "spec": {
                "environments": environments,
                "defaults": {"max_ttl": "90d", "max_keys_per_owner": 3},
                "guards": guards or {},
            }
        },
        **{f"Team/{name}": {"spec": {"members": [f"{name}-lead"]}} for name in TEAMS},
        "Service/payments-api": {
            "spec": {
                "environments": ["dev", "staging", "prod"],
                "scopes": [{"name": name, "risk": risk, "description": name} for name, risk in SCOPES.items()],
            }
        },
        "ScopeBundle/readonly": {"spec": {"service": "payments-api", "scopes": ["charges:read", "reports:read"]}},
        "ApprovalPolicy/lead": {"spec": {"steps": [{"name": "lead", "from": {"teams": ["security"]}}]}},
        **(rules or {}),
    }


some_teams = st.lists(st.sampled_from(TEAMS), min_size=1, max_size=2, unique=True)
some_scopes = st.lists(st.sampled_from(sorted(SCOPES)), min_size=1, max_size=4, unique=True)
some_environments = st.lists(st.sampled_from(["dev", "staging", "prod"]), min_size=1, max_size=3, unique=True)
some_kinds = st.lists(st.sampled_from(["user", "service_account"]), min_size=1, max_size=2, unique=True)
days = st.integers(1, 90).map(lambda count: f"{count}d")


@st.composite
def rule_specs(draw: st.DrawFn) -> dict[str, Any]:
    environments = draw(some_environments)
    grants = draw(
        st.sampled_from(
            [
                {"bundle": "readonly", "environments": environments},
                {"service": "payments-api", "environments": environments, "scopes": ["*"]},
                {"service": "payments-api", "environments": environments, "scopes": draw(some_scopes)},
            ]
        )
    )
    limits: dict[str, Any] = {}
    if draw(st.booleans()):
        limits["max_ttl"] = draw(days)
    if draw(st.booleans()):
        limits["allowed_cidrs"] = draw(
            st.sampled_from(
                [{"required": True}, {"within": ["10.20.0.0/16"]}, {"within": ["10.0.0.0/8"], "required": True}]
            )
        )
    if draw(st.booleans()):
        limits["rate_limits"] = [{"name": "burst", "requests": draw(st.integers(1, 3)), "per": "10s"}]
    spec = {
        "subjects": {"teams": draw(some_teams), "owner_kinds": draw(some_kinds)},
        "grants": grants,
        "approval": draw(st.sampled_from(["none", "lead"])),
    }
    if limits:
        spec["limits"] = limits
    if draw(st.booleans()):
        spec["conditions"] = [{"fact": "issuance.mfa", "equals": True}]
    return spec


@st.composite
def guardrail_specs(draw: st.DrawFn) -> dict[str, Any]:
    demand: dict[str, Any] = draw(
        st.sampled_from(
            [
                {"deny": {"reason": "no"}},
                {"ceilings": {"max_ttl": "30d"}},
                {"require": {"allowed_cidrs": True}},
                {"require": {"approval_steps": 1}},
            ]
        )
    )
    applies = draw(
        st.sampled_from(
            [
                {},
                {"environments": ["prod"]},
                {"risk": ["critical"]},
                {"teams": ["analytics"]},
                {"owner_kinds": ["user"]},
            ]
        )
    )
    # Waivable, because what may be waived is no dead promise of a rule, and so never an error.
    return {"applies_to": applies, "enforcement": "enforce", "waivable": True, **demand}


@st.composite
def sets(draw: st.DrawFn) -> Objects:
    made = {f"IssuanceRule/rule-{number}": {"spec": draw(rule_specs())} for number in range(draw(st.integers(0, 3)))}
    walls = {f"Guardrail/wall-{number}": {"spec": draw(guardrail_specs())} for number in range(draw(st.integers(0, 2)))}
    whole = objects({**made, **walls})
    whole["PolicySet/acme"]["spec"]["defaults"]["max_ttl"] = draw(days)
    return whole
