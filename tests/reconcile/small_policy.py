"""A whole policy that fits on a page, with a number in it to change."""

PLACE = "rules/a.yaml"
RULE = """
apiVersion: keymgr/v1
kind: IssuanceRule
metadata: {name: RULE, owner: payments}
spec:
  subjects: {teams: [payments]}
  grants: {service: ledger, environments: [dev], scopes: ["*"]}
  limits: {max_ttl: DAYSd, default_ttl: 1d}
  approval: none
"""
REST = """
apiVersion: keymgr/v1
kind: PolicySet
metadata: {name: small, owner: payments}
spec:
  environments: [{name: dev, tier: nonprod}]
  defaults: {max_ttl: 90d, default_ttl: 1d, rotation_overlap: 1d, max_keys_per_owner: 5}
---
apiVersion: keymgr/v1
kind: Team
metadata: {name: payments, owner: payments}
spec: {title: Payments, members: [ben]}
---
apiVersion: keymgr/v1
kind: Service
metadata: {name: ledger, owner: payments}
spec:
  title: Ledger
  environments: [dev]
  scopes: [{name: "entries:read", risk: low, description: Read}]
---
apiVersion: keymgr/v1
kind: PolicyTest
metadata: {name: small}
spec:
  now: "2026-11-22T09:00:00Z"
  fixtures:
    owners: {ben: {kind: user, teams: [payments]}}
    requests: {read: {service: ledger, environment: dev, scopes: ["entries:read"], ttl: 1d}}
  cases:
    - {name: ben reads, owner: ben, request: read, expect: {decision: allow, rule: a}}
"""


def small_policy(days: int, *more_rules: str) -> dict[str, bytes]:
    """A policy whose rules all allow keys for so many days."""
    rules = "---".join(RULE.replace("RULE", name).replace("DAYS", str(days)) for name in ("a", *more_rules))
    return {PLACE: rules.encode(), "rest.yaml": REST.encode()}
