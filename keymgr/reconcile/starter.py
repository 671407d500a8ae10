"""A first policy for an empty install: one team with one person, one service, one rule, and the tests that prove it."""

import json
from collections.abc import Mapping

_SET = """\
# A first policy, written by the set-up of keymgr. Put these files into a repository and go on from there:
# from then on they change by reviewed pull requests, and `keymgr policy apply DIR` puts them in force.
apiVersion: keymgr/v1
kind: PolicySet
metadata: {name: starter, owner: platform}
spec:
  environments:
    - {name: dev, tier: nonprod}
    - {name: prod, tier: prod}
  defaults:
    max_ttl: 30d
    default_ttl: 7d
    max_keys_per_owner: 5
    rate_limits: [{name: minute, requests: 600, per: 1m}]
  existing_keys: {on_violation: flag, grace: 14d, notify: [owner]}
  on_owner_exit: suspend
"""
_PEOPLE = """\
apiVersion: keymgr/v1
kind: Team
metadata: {name: platform, owner: platform}
spec: {title: Platform, members: [%(name)s]}
---
# Who looks after the portal. The first administrator is one in any case; name a second person here.
apiVersion: keymgr/v1
kind: Role
metadata: {name: portal-admin, owner: platform}
spec: {title: Portal admin, members: [%(name)s], portal: [admin]}
"""
_SERVICE = """\
apiVersion: keymgr/v1
kind: Service
metadata: {name: hello, owner: platform, description: A service to try things with}
spec:
  title: Hello
  environments: [dev, prod]
  scopes:
    - {name: "hello:read", risk: low, description: Be greeted}
"""
_RULE = """\
apiVersion: keymgr/v1
kind: IssuanceRule
metadata: {name: hello-dev, owner: platform, description: The platform team tries things out}
spec:
  subjects: {teams: [platform]}
  grants: {service: hello, environments: [dev], scopes: ["hello:read"]}
  limits: {max_ttl: 7d}
  approval: none
"""
_TEST = """\
apiVersion: keymgr/v1
kind: PolicyTest
metadata: {name: hello, owner: platform}
spec:
  now: "2026-11-22T09:00:00Z"
  fixtures:
    owners:
      insider: {kind: user, teams: [platform]}
      outsider: {kind: user}
    requests:
      trying: {service: hello, environment: dev, scopes: ["hello:read"], ttl: 1d}
  cases:
    - name: the platform team tries things out
      owner: insider
      request: trying
      expect: {decision: allow, rule: hello-dev}
    - name: nobody else does
      owner: outsider
      request: trying
      expect: {decision: deny, reason: NO_RULE}
    - name: production is not for trying
      owner: insider
      request: trying
      with: {environment: prod}
      expect: {decision: deny, reason: NO_RULE, near_miss: hello-dev}
"""


def starter_policy(name: str) -> Mapping[str, bytes]:
    """Write the files of a first policy that names this person as the one member and portal admin."""
    quoted = json.dumps(name)
    texts = {
        "policyset.yaml": _SET,
        "people.yaml": _PEOPLE % {"name": quoted},
        "services/hello.yaml": _SERVICE,
        "rules/hello.yaml": _RULE,
        "tests/hello.yaml": _TEST,
    }
    return {path: text.encode() for path, text in texts.items()}
