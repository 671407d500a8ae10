"""Flows 4 and 7: a refusal that becomes a rule, and a change that would break keys, in a real Git repository."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.flows.office import Entered, Office, secret_of

NOT_ALLOWED = {
    True: ("finn", "service=reports&environment=dev&scope=traffic:read"),
    False: ("dana", "service=shipping&environment=dev&scope=parcels:read"),
}


def proposal_of(page: Page, office: Office) -> tuple[str, str]:
    """Return where the panel would put a new rule, by its link to the forge, and the rule."""
    panel = page.locator("#explain")
    expect(panel).to_contain_text("not allowed")
    expect(panel.locator("li.refused")).to_contain_text(re.compile(r"rules/\w+\.yaml:\d+"))
    address = panel.get_by_role("link", name="Propose a change").get_attribute("href") or ""
    commit = office.repository.git("rev-parse", "HEAD")
    found = re.fullmatch(rf"https://forge\.example/acme/policies/blob/{commit}/policies/([\w/]+\.yaml)#L\d+", address)
    assert found, address
    panel.get_by_text("A rule that would allow it").click()
    return found[1], panel.locator("#proposal").inner_text()


def test_a_refusal_names_its_rule_and_the_proposed_one_once_merged_grants_the_very_same_address(
    office: Office, enter: Entered, *, script: bool
) -> None:
    name, wish = NOT_ALLOWED[script]
    page = enter(name)
    page.goto(f"{office.demo.portal}/keys/new?name=reading&{wish}")
    address = page.url
    file, rule = proposal_of(page, office)

    office.add(file, rule)
    commit = office.commit("What the portal proposed")
    applied = office.keymgr("policy", "apply", "policies")
    assert applied.returncode == 0, applied.stdout + applied.stderr

    page.goto(address)
    expect(page.locator("#explain")).to_contain_text("granted at once")
    expect(page.locator("#explain")).to_contain_text(f"@ {commit[:7]}")
    page.locator("#send").click()
    assert secret_of(page)


@dataclass(frozen=True, slots=True)
class Narrowing:
    """Whose keys a change breaks, and the change."""

    owner: str
    wish: str
    rule: str
    file: str
    change: tuple[str, str]


NARROWINGS: Mapping[bool, Narrowing] = {
    True: Narrowing(
        "finn",
        "service=shipping&environment=dev&scope=labels:write",
        "shipping-dev",
        "rules/shipping.yaml",
        ("max_ttl: 30d\n    default_ttl: 14d", "max_ttl: 7d\n    default_ttl: 7d"),
    ),
    False: Narrowing(
        "dana",
        "service=reports&environment=dev&scope=settlement:read",
        "reports-reading",
        "rules/reports.yaml",
        ("max_ttl: 30d, default_ttl: 30d, token: opaque", "max_ttl: 7d, default_ttl: 7d, token: opaque"),
    ),
}


@pytest.fixture
def credential(office: Office, tmp_path: Path) -> Path:
    """What a pull-request job asks with."""
    made = office.keymgr("policy", "credential", "create", "acme/policies")
    assert made.returncode == 0, made.stderr
    file = tmp_path / "credential"
    file.write_text(made.stdout)
    return file


def two_keys(office: Office, page: Page, wish: str) -> list[str]:
    """Issue two keys, as many as trip the guard; return their ids."""
    found = []
    for number in (1, 2):
        office.issue(page, f"breaking {number} {id(page)}", wish)
        page.get_by_role("link", name=re.compile("go to the key")).click()
        found.append(page.locator("p.id").inner_text())
    return found


def acknowledge(said: str, name: str) -> str:
    """Write the acknowledgements that a refused apply asks for."""
    wanted = re.findall(r"add a ChangeAck: guard (\w+), max (\d+), base (sha256:[0-9a-f]+)", said)
    assert "max_keys_losing_access" in {guard for guard, *_ in wanted}, said
    until = (datetime.now(UTC) + timedelta(days=2)).strftime("%Y-%m-%dT00:00:00Z")
    return "---\n".join(
        "apiVersion: keymgr/v1\nkind: ChangeAck\n"
        f"metadata: {{name: {name}-{number}, owner: security}}\n"
        f'spec: {{guard: {guard}, max: {most}, base: "{base}", expires_at: "{until}", reason: Short lives will do}}\n'
        for number, (guard, most, base) in enumerate(wanted)
    )


def test_a_change_that_breaks_keys_is_listed_stopped_acknowledged_and_told_to_their_owners(
    office: Office, enter: Entered, credential: Path, *, script: bool
) -> None:
    narrowing = NARROWINGS[script]
    page = enter(narrowing.owner)
    keys = two_keys(office, page, narrowing.wish)

    office.change(narrowing.file, *narrowing.change)
    office.commit("Shorter lives")
    options = ("--server", office.demo.portal, "--credential-file", credential, "--format", "markdown")
    plan = office.keymgr("policy", "plan", "policies", *options)
    assert plan.returncode == 5, plan.stdout + plan.stderr
    assert all(key in plan.stdout for key in keys), plan.stdout
    assert f"policies/{narrowing.file}" in plan.stdout

    stopped = office.keymgr("policy", "apply", "policies")
    assert stopped.returncode == 5, stopped.stdout + stopped.stderr
    page.goto(office.demo.portal)
    expect(page.get_by_role("main")).not_to_contain_text("No longer fits the policy")

    office.add(f"acks/{narrowing.rule}.yaml", acknowledge(stopped.stdout, narrowing.rule))
    office.repository.git("add", "-A")
    office.repository.git("commit", "-q", "--amend", "-m", "Shorter lives, acknowledged")
    applied = office.keymgr("policy", "apply", "policies")
    assert applied.returncode == 0, applied.stdout + applied.stderr
    see_it_told(page, office, keys)


def see_it_told(page: Page, office: Office, keys: list[str]) -> None:
    page.goto(office.demo.portal)
    needs = page.get_by_role("region", name="Needs you")
    for number in (1, 2):
        line = needs.get_by_role("listitem").filter(has_text=f"breaking {number} {id(page)}")
        expect(line).to_contain_text("No longer fits the policy")
        expect(line).to_contain_text("At most 7 days are allowed")
    page.goto(f"{office.demo.portal}/keys/{keys[0]}")
    expect(page.get_by_role("region", name="Why it is allowed")).to_contain_text("At most 7 days are allowed")
