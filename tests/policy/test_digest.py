"""The digest of a policy: one for every way of writing it down, another for anything that decides."""

import random
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from keymgr.policy.load import Loaded, load
from keymgr.policy.read import ReadPolicy, read_policy
from tests.policy.folders import ROOT

HERE = Path(__file__).parent / "example" / "base"
NOW = datetime(2026, 3, 1, tzinfo=UTC)
BASE = {path.relative_to(HERE).as_posix(): path.read_text() for path in HERE.rglob("*.yaml")}
WAIVER = """\
apiVersion: keymgr/v1
kind: Waiver
metadata: {name: pat-refunds, owner: platform-security}
spec:
  guardrail: no-critical-to-people
  subject: {owner: pat, service: payments-api, environments: [dev]}
  expires_at: "2026-05-01T00:00:00Z"
  reason: back-fill
"""


def digest(files: dict[str, str]) -> str:
    found = read_policy({name: text.encode() for name, text in files.items()}, now=NOW)
    assert isinstance(found, ReadPolicy), [str(each) for each in found]
    return found.policy.digest


def changed(name: str, old: str, new: str) -> dict[str, str]:
    assert old in BASE[name]
    return {**BASE, name: BASE[name].replace(old, new)}


EXPECTED = digest(BASE)


def test_a_digest_is_a_sha_256_with_its_name() -> None:
    assert EXPECTED.startswith("sha256:")
    assert len(EXPECTED) == len("sha256:") + 64


def shuffled(value: object, chance: random.Random, *, keep: bool = False) -> object:
    if isinstance(value, list):
        entries = [shuffled(each, chance) for each in value]
        return entries if keep else chance.sample(entries, len(entries))
    if isinstance(value, dict):
        keys = chance.sample(list(value), len(value))
        # The steps of an approval are asked in order, so their order decides.
        return {key: shuffled(value[key], chance, keep=key == "steps") for key in keys}
    return value


@settings(max_examples=10, deadline=None)
@given(st.randoms(use_true_random=False))
def test_order_of_files_documents_lists_and_keys_never_changes_it(chance: random.Random) -> None:
    loaded = load({name: text.encode() for name, text in BASE.items()})
    assert isinstance(loaded, Loaded)
    files: dict[str, str] = {}
    for document in chance.sample(loaded.documents, len(loaded.documents)):
        name = f"folder/{chance.randrange(4)}.yaml"
        text = yaml.safe_dump(shuffled(document.data, chance), sort_keys=False)
        files[name] = f"{files[name]}---\n{text}" if name in files else text
    assert digest(files) == EXPECTED


@pytest.mark.parametrize(
    "files",
    [
        changed("rules/payments.yaml", "max_ttl: 90d", "max_ttl: 2160h"),
        changed("rules/payments.yaml", "apiVersion", "# a comment\napiVersion"),
        changed("rules/payments.yaml", "2001:db8:20::/48", "2001:0DB8:0020:0::/48"),
        changed("services/payments-api.yaml", "Read charges", "See charges"),
        changed("services/payments-api.yaml", "owner: payments}", "owner: payments, description: x, labels: {a: b}}"),
        changed("services/payments-api.yaml", "spec:\n", "spec:\n  title: Payments\n"),
        changed("teams/teams.yaml", "owner: platform-security}", "owner: platform-security, annotations: {a: b}}"),
        changed("guardrails/org.yaml", "applies_to: {}", "waivable: false\n  applies_to: {}"),
        changed("tests/payments_test.yaml", "a person may not", "a person never may"),
        {name: text for name, text in BASE.items() if not name.startswith("tests/")},
    ],
    ids=lambda _: "same",
)
def test_what_does_not_decide_does_not_change_it(files: dict[str, str]) -> None:
    assert digest(files) == EXPECTED


def test_moving_a_file_does_not_change_it() -> None:
    files = {f"elsewhere/{name.replace('/', '-')}": text for name, text in BASE.items()}
    assert digest(files) == EXPECTED


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("rules/payments.yaml", "max_ttl: 30d", "max_ttl: 29d"),
        ("rules/payments.yaml", 'except: ["refunds:write"]', 'except: ["charges:write"]'),
        ("rules/payments.yaml", "owner_kinds: [service_account]", "owner_kinds: [user, service_account]"),
        ("rules/payments.yaml", "{fact: owner.status, equals: active}", "{fact: owner.status, equals: inactive}"),
        ("rules/payments.yaml", "requests: 500", "requests: 501"),
        ("rules/payments.yaml", "max_entries: 8", "max_entries: 9"),
        ("rules/payments.yaml", "approval: none", "approval: prod-two-step"),
        ("rules/payments.yaml", "previously: [bi-reports]", "previously: [bi]"),
        ("rules/payments.yaml", "name: payments-nonprod, owner: payments", "name: payments-nonprod, owner: analytics"),
        ("rules/payments.yaml", "name: payments-nonprod", "protect: true, name: payments-nonprod"),
        ("approvals/prod.yaml", "request_ttl: 72h", "request_ttl: 73h"),
        ("approvals/prod.yaml", "reason: required", "reason: optional"),
        ("guardrails/org.yaml", "enforcement: enforce            #", "enforcement: warn #"),
        ("guardrails/org.yaml", "waivable: true", "waivable: false"),
        ("guardrails/org.yaml", "grace: 3d", "grace: 4d"),
        ("teams/teams.yaml", "00g1payments7Qx", "00g1payments7Qy"),
        ("services/payments-api.yaml", "risk: high", "risk: medium"),
        ("policyset.yaml", "rotation_overlap: 7d", "rotation_overlap: 6d"),
        ("policyset.yaml", "min_portal_admins: 2", "min_portal_admins: 1"),
        ("policyset.yaml", "on_violation: flag", "on_violation: revoke"),
        ("bundles/payments-readonly.yaml", '"charges:read", ', ""),
    ],
)
def test_whatever_decides_changes_it(name: str, old: str, new: str) -> None:
    assert digest(changed(name, old, new)) != EXPECTED


def test_the_order_of_approval_steps_decides() -> None:
    text = BASE["approvals/prod.yaml"]
    first = text[text.index("    - name: service owner") : text.index("    - name: security")]
    second = text[text.index("    - name: security") : text.index("  separation")]
    assert digest({**BASE, "approvals/prod.yaml": text.replace(first + second, second + first)}) != EXPECTED


def test_a_waiver_counts_and_an_acknowledgement_does_not() -> None:
    ack = "apiVersion: keymgr/v1\nkind: ChangeAck\nmetadata: {name: one, owner: platform-security}\nspec: "
    ack += '{guard: admin_changed, base: "sha256:fa71a6954b69", expires_at: "2026-03-08T00:00:00Z", reason: x}\n'
    assert digest({**BASE, "acks.yaml": ack}) == EXPECTED
    waived = digest({**BASE, "waivers.yaml": WAIVER})
    assert waived != EXPECTED
    assert digest({**BASE, "waivers.yaml": WAIVER.replace("05-01", "05-02")}) != waived


def test_a_condition_counts_by_its_value() -> None:
    def with_condition(text: str) -> str:
        return digest(changed("rules/payments.yaml", "{fact: owner.status, equals: active}", text))

    assert with_condition("{fact: key.ttl, at_most: 2d}") == with_condition("{at_most: 48h, fact: key.ttl}")
    assert with_condition("{fact: key.ttl, at_most: 2d}") != with_condition("{fact: key.ttl, at_least: 2d}")
    one, other = '["10.0.0.0/8", "::1"]', '["0::1/128", "10.0.0.0/8"]'
    assert with_condition(f"{{fact: key.cidrs, in: {one}}}") == with_condition(f"{{fact: key.cidrs, in: {other}}}")


def test_the_demo_has_a_digest_of_its_own() -> None:
    files = {
        path.relative_to(ROOT / "policies").as_posix(): path.read_text() for path in (ROOT / "policies").rglob("*.yaml")
    }
    found = read_policy({name: text.encode() for name, text in files.items()}, now=datetime(2026, 11, 22, tzinfo=UTC))
    assert isinstance(found, ReadPolicy)
    assert found.policy.digest != EXPECTED
