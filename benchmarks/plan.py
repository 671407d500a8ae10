"""How long a plan takes with 500 rules, 200 services, 5,000 people: `python benchmarks/plan.py [keys]`."""

import json
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from keymgr.policy.asking import Asker
from keymgr.policy.existing import LiveKey
from keymgr.policy.matrix import matrix
from keymgr.policy.plan import plan
from keymgr.policy.plan_keys import key_impact
from keymgr.policy.read import ReadPolicy, read_policy
from keymgr.policy.who_can import who_can
from keymgr.policy.words import OwnerKind

RULES, SERVICES, PEOPLE, TEAMS, ROUNDS = 500, 200, 5_000, 50, 3
KEYS = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
DAY = 86_400
NOW = datetime(2026, 3, 1, tzinfo=UTC)
RISKS = ("low", "low", "medium", "low", "high", "low", "medium", "critical")
ENVIRONMENTS = ("dev", "staging", "prod")


def a_document(kind: str, name: str, spec: dict[str, Any]) -> str:
    """Return one document; JSON is YAML."""
    metadata = {"name": name, "owner": "team-0"}
    return json.dumps({"apiVersion": "keymgr/v1", "kind": kind, "metadata": metadata, "spec": spec})


def a_rule(number: int, *, changed: bool) -> str:
    """Return one rule; every fiftieth is another one after the change."""
    touched = changed and number % 50 == 0
    spec = {
        "subjects": {"teams": [f"team-{number % TEAMS}", f"team-{(number + 7) % TEAMS}"]},
        "grants": {
            "service": f"service-{number % SERVICES}",
            "environments": ["dev", "staging"] if touched else list(ENVIRONMENTS),
            "scopes": ["*"],
        },
        "limits": {
            "max_ttl": "30d" if touched else "90d",
            "allowed_cidrs": {"required": True, "within": ["10.20.0.0/16", "2001:db8:20::/48"]},
        },
        "approval": "none",
        "conditions": [{"fact": "issuance.ticket", "matches": "^(INC|CHG)-[0-9]+$"}],
    }
    return a_document("IssuanceRule", f"rule-{number}", spec)


def documents(*, changed: bool) -> Iterator[str]:
    """Yield every document of the set."""
    environments = [{"name": name, "tier": "prod" if name == "prod" else "nonprod"} for name in ENVIRONMENTS]
    defaults = {"max_ttl": "90d", "max_keys_per_owner": 5}
    yield a_document("PolicySet", "benchmark", {"environments": environments, "defaults": defaults})
    share = PEOPLE // TEAMS
    for team in range(TEAMS):
        people = [f"person-{number}" for number in range(team * share, (team + 1) * share)]
        yield a_document("Team", f"team-{team}", {"members": people})
    scopes = [{"name": f"thing-{n}:read", "risk": risk, "description": "x"} for n, risk in enumerate(RISKS)]
    for number in range(SERVICES):
        yield a_document("Service", f"service-{number}", {"environments": list(ENVIRONMENTS), "scopes": scopes})
    for number in range(RULES):
        yield a_rule(number, changed=changed)
    wall = {"applies_to": {"environments": ["prod"]}, "enforcement": "enforce", "ceilings": {"max_keys_per_owner": 9}}
    for number in range(12):
        yield a_document("Guardrail", f"guardrail-{number}", wall)


def a_set(*, changed: bool) -> ReadPolicy:
    """Return the set, read and compiled."""
    files = {f"{number:04}.yaml": text.encode() for number, text in enumerate(documents(changed=changed))}
    found = read_policy(files, now=NOW)
    if not isinstance(found, ReadPolicy):
        raise SystemExit("\n".join(map(str, found[:5])))
    return found


def live_keys(now: int) -> list[LiveKey]:
    """Return keys of many owners, most of which fit."""
    return [
        LiveKey(
            asker=Asker(f"svc:robot-{n}", OwnerKind.SERVICE_ACCOUNT, frozenset({f"team-{n % RULES % TEAMS}"})),
            service=f"service-{n % RULES % SERVICES}",
            environment=ENVIRONMENTS[n % 3],
            scopes=frozenset({f"thing-{n % 8}:read"}),
            cidrs=(f"10.20.{n % 256}.0/24",),
            issued_at=now - n % 20 * DAY,
            expires_at=now + (20 + n % 20) * DAY,
            facts={"issuance.ticket": f"CHG-{n}"},
            rule=f"rule-{n % RULES}",
            id=f"key-{n}",
        )
        for n in range(KEYS)
    ]


def median_seconds(call: Callable[[], object]) -> float:
    """Return the median processor time of a call, which other work on the machine does not change."""
    taken = []
    for _ in range(ROUNDS):
        started = time.process_time()
        call()
        taken.append(time.process_time() - started)
    return statistics.median(taken)


def main() -> None:
    """Print medians of the parts of a plan and the most memory that was used."""
    now = int(NOW.timestamp())
    base, head, keys = a_set(changed=False), a_set(changed=True), live_keys(now)
    size = f"{RULES} rules, {SERVICES} services, {PEOPLE} people, {KEYS} keys"
    print(f"{size}; {len(matrix(base.policy, now).cells)} cells; median of {ROUNDS}")
    for what, call in (
        ("read and compile", lambda: a_set(changed=False)),
        ("matrix", lambda: matrix(base.policy, now)),
        ("who-can, one service", lambda: who_can(base.policy, "service-7", now=now)),
        ("plan, nothing changed", lambda: plan(base, base, now=now)),
        ("plan, ten rules changed", lambda: plan(base, head, now=now)),
        ("plan, all rules new", lambda: plan(None, head, now=now)),
        ("live keys", lambda: key_impact(keys, base.policy, head.policy, now)),
    ):
        print(f"{what:<24} {median_seconds(call):8.2f} s of processor time")
    print(f"{'most memory':<24} {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:8.0f} MB")


if __name__ == "__main__":
    main()
