"""Lint: each warning has an example that shows it, one beside it that does not, a place, a remedy and a description."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from keymgr.policy.lint import LintReport, lint
from keymgr.policy.lint_codes import WARNINGS
from keymgr.policy.read import ReadPolicy, read_policy
from tests.policy.folders import ROOT

NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)
HEAD = "apiVersion: keymgr/v1\n"
CLEAN = {
    "set.yaml": """\
apiVersion: keymgr/v1
kind: PolicySet
metadata: {name: acme, owner: security}
spec:
  environments: [{name: dev, tier: nonprod}, {name: prod, tier: prod}]
  defaults: {max_ttl: 30d, default_ttl: 7d, max_keys_per_owner: 3, rate_limits: [{name: minute, requests: 60, per: 1m}]}
""",
    "teams.yaml": """\
apiVersion: keymgr/v1
kind: Team
metadata: {name: payments, owner: security}
spec: {members: [ben, cleo]}
---
apiVersion: keymgr/v1
kind: Team
metadata: {name: security, owner: security}
spec: {members: [eli, kim]}
""",
    "roles.yaml": """\
apiVersion: keymgr/v1
kind: Role
metadata: {name: lead, owner: security}
spec: {members: [cleo]}
---
apiVersion: keymgr/v1
kind: Role
metadata: {name: admin, owner: security}
spec: {members: [kim], portal: [admin]}
""",
    "service.yaml": """\
apiVersion: keymgr/v1
kind: Service
metadata: {name: api, owner: payments}
spec:
  environments: [dev, prod]
  scopes:
    - {name: "charges:read", risk: low, description: Read charges}
    - {name: "refunds:write", risk: critical, description: Issue refunds}
""",
    "approvals.yaml": """\
apiVersion: keymgr/v1
kind: ApprovalPolicy
metadata: {name: two-step, owner: security}
spec:
  steps:
    - {name: owner, from: {teams: [payments]}}
    - {name: security, from: {teams: [security], roles: [lead]}}
""",
    "rules.yaml": """\
apiVersion: keymgr/v1
kind: IssuanceRule
metadata: {name: dev, owner: payments}
spec:
  subjects: {teams: [payments]}
  grants: {service: api, environments: [dev], scopes: ["charges:read"]}
  limits: {max_ttl: 7d}
  approval: none
---
apiVersion: keymgr/v1
kind: IssuanceRule
metadata: {name: prod, owner: payments, description: Refunds by machines}
spec:
  subjects: {teams: [payments], owner_kinds: [service_account]}
  grants: {service: api, environments: [prod], scopes: ["charges:read", "refunds:write"]}
  limits: {allowed_cidrs: {required: true}}
  approval: two-step
""",
    "guardrails.yaml": """\
apiVersion: keymgr/v1
kind: Guardrail
metadata: {name: ceiling, owner: security}
spec: {applies_to: {tiers: [prod]}, enforcement: enforce, ceilings: {max_ttl: 30d}}
""",
    "tests.yaml": """\
apiVersion: keymgr/v1
kind: PolicyTest
metadata: {name: all}
spec:
  now: "2026-03-01T09:00:00Z"
  fixtures:
    owners: {ben: {kind: user, teams: [payments]}, ci: {kind: service_account, teams: [payments]}}
    requests:
      read: {service: api, environment: dev, scopes: ["charges:read"]}
      refund: {service: api, environment: prod, scopes: ["refunds:write"], cidrs: ["10.0.0.0/8"]}
  cases:
    - {name: a, owner: ben, request: read, expect: {decision: allow, rule: dev}}
    - {name: b, owner: ben, request: read, with: {ttl: 8d}, expect: {decision: deny, reason: LIMIT_TTL}}
    - {name: c, owner: ci, request: refund, expect: {decision: needs_approval, rule: prod}}
    - {name: d, owner: ben, request: refund, expect: {decision: deny, reason: RULE_OWNER_KIND}}
    - {name: e, owner: ci, request: refund, with: {ttl: 31d}, expect: {decision: deny, reason: GUARDRAIL_CEILING}}
""",
}
Change = tuple[str, str, str]
"""A file, what is replaced in it, and by what; an empty text to replace adds at the end."""


def rule(name: str, *, meta: str = "", **fields: str) -> str:
    spec = {
        "subjects": "{teams: [payments]}",
        "grants": '{service: api, environments: [dev], scopes: ["charges:read"]}',
        "approval": "none",
        **fields,
    }
    body = "".join(f"  {field}: {value}\n" for field, value in spec.items())
    return f"---\n{HEAD}kind: IssuanceRule\nmetadata: {{name: {name}, owner: payments{meta}}}\nspec:\n{body}"


def document(kind: str, name: str, spec: str, *, meta: str = "") -> str:
    return f"---\n{HEAD}kind: {kind}\nmetadata: {{name: {name}, owner: security{meta}}}\nspec: {spec}\n"


def linted(*changes: Change, now: datetime = NOW) -> LintReport:
    files: dict[str, str] = dict(CLEAN)
    for file, before, after in changes:
        assert before in files[file]
        files[file] = files[file].replace(before, after, 1) if before else files[file] + after
    read = read_policy({name: text.encode() for name, text in files.items()}, now=now)
    assert isinstance(read, ReadPolicy), [str(problem) for problem in read]
    return lint(read.documents, read.policy, now=now)


def told(*changes: Change, now: datetime = NOW, without: str = "W409") -> list[str]:
    """Return the warnings; that a new rule has no test is left out unless it is what is asked for."""
    return [f"{each.code} {each.message}" for each in linted(*changes, now=now).warnings if each.code != without]


WAIVABLE = ("guardrails.yaml", "ceilings: {max_ttl: 30d}}", "ceilings: {max_ttl: 30d}, waivable: true}")


def waiver(end: str) -> Change:
    subject = "{owner: ben, service: api, environments: [prod]}"
    spec = f'{{guardrail: ceiling, subject: {subject}, expires_at: "{end}", reason: x}}'
    return ("guardrails.yaml", "", document("Waiver", "for-now", spec))


def ack(end: str) -> Change:
    spec = f'{{guard: admin_changed, base: "sha256:fa71a6954b69", expires_at: "{end}", reason: x}}'
    return ("set.yaml", "", document("ChangeAck", "meant", spec))


SHOWN: Mapping[str, tuple[tuple[Change, ...], str]] = {
    "W401": (
        (("rules.yaml", 'scopes: ["charges:read", "refunds:write"]', 'scopes: ["*"]'),),
        '"*" also gives refunds:write, and whatever the service adds later',
    ),
    "W402": (
        (
            ("teams.yaml", "", document("Team", "empty", "{}")),
            ("rules.yaml", "", rule("x", subjects="{teams: [empty]}")),
        ),
        "nobody and no service account is in the team empty",
    ),
    "W403": (
        (("rules.yaml", "", rule("narrow", limits="{max_ttl: 1d}")),),
        "whatever this rule gives, dev at rules.yaml:1:1 gives already",
    ),
    "W404": (
        (
            ("rules.yaml", 'scopes: ["charges:read", "refunds:write"]', 'scopes: ["refunds:write"]'),
            ("rules.yaml", 'scopes: ["charges:read"]', 'scopes: ["refunds:write"]'),
        ),
        "no rule grants the scope charges:read",
    ),
    "W405": (
        (
            (
                "service.yaml",
                "",
                document(
                    "Service", "idle", '{environments: [dev], scopes: [{name: "a:b", risk: low, description: Words}]}'
                ),
            ),
        ),
        "no rule grants anything of the service idle",
    ),
    "W406": ((("teams.yaml", "", document("Team", "spare", "{members: [dana]}")),), "nothing uses the Team spare"),
    "W407": (
        (
            (
                "approvals.yaml",
                "{name: owner, from: {teams: [payments]}}",
                "{name: owner, from: {teams: [payments]}, count: 3}",
            ),
        ),
        '"owner" needs 3 people, 2 can',
    ),
    "W408": ((WAIVABLE, waiver("2026-03-05T08:00:00Z")), "this Waiver ends in 3 days"),
    "W409": (
        (
            ("tests.yaml", "{name: a, owner: ben, request: read, ", "{name: a, owner: ci, request: read, "),
            ("rules.yaml", "", rule("more", grants='{service: api, environments: [prod], scopes: ["charges:read"]}')),
        ),
        "no test shows that this rule ever grants",
    ),
    "W410": (
        (
            ("set.yaml", "{name: dev, tier: nonprod}", "{name: dev, tier: nonprod}, {name: lab, tier: nonprod}"),
            ("guardrails.yaml", "tiers: [prod]", "environments: [lab]"),
        ),
        "no rule gives anything that this guardrail looks at",
    ),
    "W411": (
        (("rules.yaml", ", description: Refunds by machines", ""),),
        "the rule gives the critical refunds:write and does not say why",
    ),
    "W412": (
        (("rules.yaml", "  limits: {allowed_cidrs: {required: true}}\n", ""),),
        "refunds:write in production may be used from any network",
    ),
    "W413": (
        (
            (
                "teams.yaml",
                "{name: payments, owner: security}",
                "{name: payments, owner: security, annotations: {lint-w406: spare}}",
            ),
        ),
        "the annotation lint-w406 accepts W406, but there is none here",
    ),
}


def test_the_clean_set_is_clean() -> None:
    assert linted() == LintReport((), ())


@pytest.mark.parametrize("code", WARNINGS)
def test_each_warning_has_an_example_with_place_and_remedy(code: str) -> None:
    changes, message = SHOWN[code]
    found = [each for each in linted(*changes).warnings if each.code == code]
    assert message in [each.message for each in found]
    assert all(each.line > 0 and each.column > 0 and each.remedy and each.file in CLEAN for each in found)


def test_the_documentation_lists_every_warning_with_its_title_and_no_other() -> None:
    table = dict(re.findall(r"^\| (W\d{3}) \| ([^|]+) \|", (ROOT / "docs/policy-tools.md").read_text(), re.MULTILINE))
    assert table == dict(WARNINGS)


def test_the_worked_example_has_nothing_to_say_but_what_it_accepts() -> None:
    files = {str(path.relative_to(ROOT)): path.read_bytes() for path in (ROOT / "policies").rglob("*.yaml")}
    now = datetime(2026, 11, 22, tzinfo=UTC)
    read = read_policy(files, now=now)
    assert isinstance(read, ReadPolicy)
    report = lint(read.documents, read.policy, now=now)
    assert report.warnings == ()
    assert [(each.problem.code, each.reason) for each in report.accepted] == [
        ("W401", "Whatever the ledger learns to do is for these machines")
    ]


PROD = '{service: api, environments: [prod], scopes: ["charges:read"]}'


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        # W401: an exception may be enough.
        (
            [
                (
                    "rules.yaml",
                    'environments: [dev], scopes: ["charges:read"]',
                    'environments: [dev], scopes: ["*"], except: ["refunds:write"]',
                )
            ],
            [],
        ),
        # W402: an identity provider may know people, and an account has the roles of its team only.
        (
            [
                ("teams.yaml", "", document("Team", "empty", "{idp_groups: [g]}")),
                ("rules.yaml", "", rule("x", subjects="{teams: [empty]}")),
            ],
            [],
        ),
        (
            [("rules.yaml", "", rule("x", subjects="{teams: [security], roles: [lead]}"))],
            ["W402 nobody and no service account is in the team security and has the role lead"],
        ),
        (
            [("rules.yaml", "", rule("x", subjects="{roles: [lead], owner_kinds: [service_account]}"))],
            ["W402 no service account has the role lead"],
        ),
        (
            [
                ("roles.yaml", "", document("Role", "guest", "{idp_groups: [g]}")),
                ("rules.yaml", "", rule("x", subjects="{teams: [security], roles: [guest]}", grants=PROD)),
            ],
            [],
        ),
        (
            [
                ("roles.yaml", "", document("Role", "both", "{teams: [security]}")),
                ("rules.yaml", "", rule("x", subjects="{roles: [both], owner_kinds: [service_account]}", grants=PROD)),
            ],
            [],
        ),
        (
            [
                (
                    "guardrails.yaml",
                    "",
                    document(
                        "Guardrail",
                        "wall",
                        "{applies_to: {environments: [dev]}, enforcement: enforce, deny: {reason: never}}",
                    ),
                )
            ],
            ["W402 the guardrail wall refuses everything this rule gives"],
        ),
        (
            [
                (
                    "guardrails.yaml",
                    "",
                    document(
                        "Guardrail",
                        "wall",
                        "{applies_to: {environments: [dev]}, enforcement: warn, deny: {reason: never}}",
                    ),
                )
            ],
            [],
        ),
        # W404, W406 and W410 count what is reached, not what is mentioned.
        (
            [("set.yaml", "{name: dev, tier: nonprod}", "{name: dev, tier: nonprod}, {name: lab, tier: nonprod}")],
            ["W406 no service runs in the environment lab"],
        ),
        ([("roles.yaml", "", document("Role", "idle", "{members: [ben]}"))], ["W406 nothing uses the Role idle"]),
        (
            [
                (
                    "approvals.yaml",
                    "",
                    document("ApprovalPolicy", "idle", "{steps: [{name: a, from: {teams: [security]}}]}"),
                )
            ],
            ["W406 nothing uses the ApprovalPolicy idle"],
        ),
        (
            [("service.yaml", "", document("ScopeBundle", "idle", '{service: api, scopes: ["charges:read"]}'))],
            ["W406 nothing uses the ScopeBundle idle"],
        ),
        (
            [
                (
                    "teams.yaml",
                    "",
                    f"---\n{HEAD}kind: Team\nmetadata: {{name: own, owner: own}}\nspec: {{members: [dana]}}\n",
                )
            ],
            ["W406 nothing uses the Team own"],
        ),
        (
            [
                (
                    "guardrails.yaml",
                    "",
                    document(
                        "Guardrail",
                        "wall",
                        "{applies_to: {risk: [critical]}, enforcement: enforce, deny: {reason: never}, waivable: true}",
                    ),
                )
            ],
            [],
        ),
        (
            [
                (
                    "guardrails.yaml",
                    "",
                    document(
                        "Guardrail", "wall", "{applies_to: {risk: [high]}, enforcement: enforce, deny: {reason: never}}"
                    ),
                )
            ],
            ["W410 no rule gives anything that this guardrail looks at"],
        ),
        # W411 also reads what a scope says of itself.
        (
            [("service.yaml", "description: Issue refunds", 'description: "Refunds: write"')],
            ["W411 the description of the critical scope refunds:write only repeats its name"],
        ),
        # W412: a guardrail may ask for networks, a quota or windows of the owner are limits too.
        (
            [
                ("rules.yaml", "  limits: {allowed_cidrs: {required: true}}\n", ""),
                ("guardrails.yaml", "ceilings: {max_ttl: 30d}", "require: {allowed_cidrs: true}"),
            ],
            [],
        ),
        (
            [
                ("rules.yaml", "  limits: {allowed_cidrs: {required: true}}\n", ""),
                (
                    "guardrails.yaml",
                    "enforcement: enforce, ceilings: {max_ttl: 30d}",
                    "enforcement: warn, require: {allowed_cidrs: true}",
                ),
            ],
            ["W412 refunds:write in production may be used from any network"],
        ),
        (
            [("set.yaml", ", rate_limits: [{name: minute, requests: 60, per: 1m}]", "")],
            ["W412 keys in production may be called without any rate limit or quota"],
        ),
        (
            [("set.yaml", "rate_limits: [{name: minute, requests: 60, per: 1m}]", "quota: {requests: 9, per: 1d}")],
            [],
        ),
        # W413 also for codes that are none, and for no other annotation.
        (
            [
                (
                    "teams.yaml",
                    "{name: payments, owner: security}",
                    '{name: payments, owner: security, annotations: {lint-e301: "x", other: y2}}',
                )
            ],
            ["W413 the annotation lint-e301 accepts E301, which is no warning, but there is none here"],
        ),
    ],
)
def test_where_a_warning_begins_and_where_it_ends(changes: list[Change], expected: list[str]) -> None:
    assert told(*changes) == expected


def covered(fields: Mapping[str, str], *others: Change, wide: str = "") -> bool:
    """Tell whether a rule beside `dev` (for the team payments, at most 7 days) is covered by it."""
    changes: list[Change] = [*others, ("rules.yaml", "", rule("narrow", **{"limits": "{max_ttl: 1d}", **fields}))]
    if wide:
        changes.insert(0, ("rules.yaml", "  limits: {max_ttl: 7d}\n", wide))
    return any(line.startswith("W403") for line in told(*changes))


@pytest.mark.parametrize(
    ("fields", "wide", "expected"),
    [
        ({}, "", True),
        ({"approval": "two-step"}, "", True),
        ({"conditions": "[{fact: owner.kind, equals: user}]"}, "", True),
        ({"subjects": "{teams: [payments], roles: [lead]}"}, "", True),
        ({"subjects": "{teams: [payments, security]}"}, "", False),
        ({"subjects": "{roles: [lead]}"}, "", False),
        ({"subjects": "{teams: [payments], owner_kinds: [user]}"}, "", True),
        ({"grants": PROD}, "", False),
        ({"grants": '{service: api, environments: [dev], scopes: ["refunds:write"]}'}, "", False),
        ({"limits": "{max_ttl: 8d}"}, "", False),
        ({"limits": "{max_ttl: 1d, max_keys_per_owner: 4}"}, "", False),
        ({"limits": "{max_ttl: 1d, allowed_cidrs: {max_entries: 17}}"}, "", False),
        ({}, "  limits: {max_ttl: 7d, allowed_cidrs: {required: true}}\n", False),
        ({}, '  limits: {max_ttl: 7d, allowed_cidrs: {within: ["10.0.0.0/8"]}}\n', False),
        (
            {"limits": '{max_ttl: 1d, allowed_cidrs: {within: ["10.1.0.0/16"]}}'},
            '  limits: {max_ttl: 7d, allowed_cidrs: {within: ["10.0.0.0/8"]}}\n',
            True,
        ),
        (
            {"limits": '{max_ttl: 1d, allowed_cidrs: {within: ["11.1.0.0/16"]}}'},
            '  limits: {max_ttl: 7d, allowed_cidrs: {within: ["10.0.0.0/8"]}}\n',
            False,
        ),
        (
            {"limits": "{max_ttl: 1d, allowed_cidrs: {required: true}}"},
            "  limits: {max_ttl: 7d, allowed_cidrs: {required: true}}\n",
            True,
        ),
        ({}, "  limits: {max_ttl: 7d}\n  conditions: [{fact: owner.kind, equals: user}]\n", False),
        (
            {"conditions": "[{fact: key.ttl, at_most: 3d}]", "limits": "{max_ttl: 2d, default_ttl: 1d}"},
            "  limits: {max_ttl: 7d, default_ttl: 4d}\n  conditions: [{fact: key.ttl, at_most: 3d}]\n",
            False,
        ),
        (
            {"conditions": "[{fact: key.ttl, at_most: 3d}]", "limits": "{max_ttl: 2d, default_ttl: 1d}"},
            "  limits: {max_ttl: 7d, default_ttl: 1d}\n  conditions: [{fact: key.ttl, at_most: 3d}]\n",
            True,
        ),
    ],
)
def test_a_rule_is_covered_only_by_one_that_accepts_all_it_accepts(
    fields: Mapping[str, str], wide: str, *, expected: bool
) -> None:
    assert covered(fields, wide=wide) is expected


def test_a_rule_that_would_be_chosen_first_is_covered_only_where_it_changes_nothing() -> None:
    same = [
        ("rules.yaml", "", rule("a-twin", limits="{max_ttl: 7d}", subjects="{teams: [payments], owner_kinds: [user]}"))
    ]
    assert told(*same) == ["W403 whatever this rule gives, dev at rules.yaml:1:1 gives already"]
    assert told(("rules.yaml", "", rule("a-shorter", limits="{max_ttl: 1d}"))) == []


def test_of_two_twins_the_later_one_is_told() -> None:
    report = linted(("rules.yaml", "", rule("twin", limits="{max_ttl: 7d}")))
    (problem,) = [each for each in report.warnings if each.code == "W403"]
    assert problem.line == 19


def test_a_guardrail_that_may_ask_for_more_steps_keeps_a_rule_useful() -> None:
    guardrail = "{applies_to: {environments: [dev]}, enforcement: %s, require: {approval_steps: 1}, waivable: true}"
    for enforcement, expected in (("enforce", False), ("warn", True)):
        more: Change = ("guardrails.yaml", "", document("Guardrail", "steps", guardrail % enforcement))
        assert covered({"approval": "two-step"}, more) is expected


ONE = "{name: owner, from: {teams: [payments]}}"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            [
                ("approvals.yaml", ONE, "{name: owner, from: {roles: [lead]}}"),
                ("approvals.yaml", "{teams: [security], roles: [lead]}", "{roles: [lead]}"),
            ],
            ["W407 the steps together need 2 people because nobody counts twice; 1 can"],
        ),
        (
            [
                ("approvals.yaml", ONE, "{name: owner, from: {roles: [lead]}}"),
                (
                    "rules.yaml",
                    "subjects: {teams: [payments], owner_kinds: [service_account]}",
                    "subjects: {roles: [lead], owner_kinds: [user]}",
                ),
            ],
            ["W407 two-step cannot be given to cleo: nobody approves their own request or counts twice"],
        ),
        (
            [
                ("roles.yaml", "spec: {members: [cleo]}", "spec: {members: [cleo], idp_groups: [g]}"),
                ("approvals.yaml", ONE, "{name: owner, from: {roles: [lead]}, count: 9}"),
            ],
            [],
        ),
        (
            [
                ("approvals.yaml", ONE, "{name: owner, from: {roles: [lead]}}"),
                ("approvals.yaml", "{teams: [security], roles: [lead]}", "{teams: [payments]}"),
            ],
            ["W407 two-step cannot be given to ben and cleo: nobody approves their own request or counts twice"],
        ),
        (
            [
                ("approvals.yaml", ONE, "{name: owner, from: {teams: [security]}, count: 1}"),
                ("approvals.yaml", "{teams: [security], roles: [lead]}", "{teams: [security]}"),
            ],
            [],
        ),
        (
            [
                ("teams.yaml", "spec: {members: [ben, cleo]}", "spec: {members: [ben, cleo], idp_groups: [g]}"),
                ("approvals.yaml", ONE, "{name: owner, from: {roles: [lead]}}"),
            ],
            [],
        ),
    ],
)
def test_approvals_are_counted_as_the_portal_would(changes: list[Change], expected: list[str]) -> None:
    assert [line for line in told(*changes) if not line.startswith("W406")] == expected


def test_an_approval_of_hundreds_is_not_counted() -> None:
    people = ", ".join(f"p{number}" for number in range(20))
    many = document("Team", "many", f"{{members: [{people}]}}")
    for amount, expected in (
        (10, ["W407 the steps together need 200 people because nobody counts twice; 20 can"]),
        (11, []),
    ):
        steps = [f"    - {{name: s{number}, from: {{teams: [many]}}, count: 20}}\n" for number in range(amount)]
        every = CLEAN["approvals.yaml"][CLEAN["approvals.yaml"].index("    - ") :]
        lines = told(("teams.yaml", "", many), ("approvals.yaml", every, "".join(steps)), without="W406")
        assert lines == expected


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        ("2026-03-01T09:00:00Z", "is over"),
        ("2025-12-31T00:00:00Z", "is over"),
        ("2026-03-01T09:00:30Z", "ends in 30 seconds"),
        ("2026-03-01T12:30:00Z", "ends in 3 hours"),
        ("2026-03-15T09:00:00Z", "ends in 14 days"),
        ("2026-03-15T09:00:01Z", None),
    ],
)
def test_what_ends_by_itself_is_told_two_weeks_ahead(end: str, expected: str | None) -> None:
    for change, kind in ((waiver(end), "Waiver"), (ack(end), "ChangeAck")):
        assert told(WAIVABLE, change) == ([f"W408 this {kind} {expected}"] if expected else [])


def test_everything_that_no_test_shows_is_told() -> None:
    nothing = ("tests.yaml", CLEAN["tests.yaml"][CLEAN["tests.yaml"].index("    - {name: a") :], "    - ")
    case = (
        "{name: f, owner: ben, request: read, with: {service: none}, expect: {decision: deny, reason: UNKNOWN_NAME}}\n"
    )
    assert told((*nothing[:2], nothing[2] + case), without="") == [
        "W409 no test shows that this guardrail ever objects",
        "W409 no test shows that this rule ever grants",
        "W409 no test shows that this rule ever refuses",
        "W409 no test shows that this rule ever grants",
        "W409 no test shows that this rule ever refuses",
    ]


def test_an_object_accepts_a_warning_with_a_reason_and_only_its_own() -> None:
    spare = document("Team", "spare", "{members: [dana]}", meta=", annotations: {lint-w406: Hired next month}")
    report = linted(("teams.yaml", "", spare + document("Team", "other", "{members: [dana]}")))
    assert [each.message for each in report.warnings] == ["nothing uses the Team other"]
    assert [(each.problem.code, each.reason) for each in report.accepted] == [("W406", "Hired next month")]
