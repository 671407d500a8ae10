"""`keymgr policy plan` and `who-can`: exit codes, where the base comes from, and what stdout carries."""

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from keymgr.cli import commands
from tests.policy.plan_folders import Objects, a_rule_spec, files_of, objects, without

ROOT = Path(__file__).parents[2]
BASE, HEAD = (ROOT / "tests" / "policy" / "example" / name for name in ("base", "pull-request"))
FORMATS = ["human", "json", "markdown", "github"]


def folder_of(path: Path, whole: Objects) -> str:
    path.mkdir()
    for name, content in files_of(whole).items():
        (path / name).write_bytes(content)
    return str(path)


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=Ana", "-c", "user.email=ana@example.org", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *identity, "-C", str(folder), *arguments], check=True, capture_output=True, timeout=30)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a repository whose branch `main` has the base and whose work tree has the pull request."""
    shutil.copytree(BASE, tmp_path / "policies")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "base")
    git(tmp_path, "checkout", "-q", "-b", "change")
    shutil.rmtree(tmp_path / "policies")
    shutil.copytree(HEAD, tmp_path / "policies")
    return tmp_path


def run(arguments: Sequence[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    capsys.readouterr()
    exit_code = commands.run(["policy", *arguments])
    told = capsys.readouterr()
    return exit_code, told.out, told.err


def run_json(arguments: Sequence[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    exit_code, out, _ = run([*arguments, "--format", "json"], capsys)
    answer = json.loads(out)
    assert (answer["format_version"], answer["exit_code"]) == ("1.0", exit_code)
    return exit_code, answer


def test_the_worked_example_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    exit_code, out, err = run(["plan", str(HEAD), "--base", str(BASE)], capsys)
    assert (exit_code, err) == (0, "")
    for line in (
        "Objects       ~ 3 changed (1 renamed)   + 0 added   - 0 removed",
        "  > IssuanceRule/analytics-settlement renamed from analytics-reports   rules/payments.yaml:30",
        "      grants.environments: - prod   rules/payments.yaml:35",
        "      grants.except: [refunds:write] -> (none)   rules/payments.yaml:7",
        "Capabilities  + 2 gained   - 4 lost   ~ 2 limited   (24 cells that somebody can hold)",
        "  ! + payments / service_account   payments-api refunds:write [critical]   dev, staging",
        "        example: service_account of payments, dev, refunds:write, ttl 1h: deny NO_RULE -> allow",
        "        max_ttl 90d -> 30d",
        "Live keys     not checked: no server was asked",
        "Guards        0 tripped, judged by the stricter of base and head",
        "Plan: changes, and policy tests fail. Next: fix 2 policy tests.",
    ):
        assert line in out.splitlines()
    assert "\x1b" not in out


def test_the_worked_example_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    exit_code, answer = run_json(["plan", str(HEAD), "--base", str(BASE)], capsys)
    assert (exit_code, answer["result"], answer["policy_set"]) == (0, "changes", "acme")
    assert answer["totals"]["capabilities"] == {"gained": 2, "lost": 4, "limited": 2, "cells": 24}
    assert answer["totals"]["objects"] == {"added": 0, "changed": 2, "renamed": 1, "removed": 0, "touched": 0}
    assert answer["tests"] == {"run": 11, "failed": 2}
    assert answer["key_impact"] is None
    gained = answer["capability_changes"][0]
    assert gained["cause"]["source"] == {"file": "rules/payments.yaml", "line": 7, "column": 73}
    assert gained["example"]["after"] == {
        "decision": "allow",
        "reason": None,
        "rule": "payments-nonprod",
        "approval_steps": 0,
    }


@pytest.mark.parametrize("form", FORMATS)
def test_the_exit_code_says_changes_only_when_asked(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["plan", str(HEAD), "--base", str(BASE), "--format", form]
    assert run(arguments, capsys)[0] == 0
    assert run([*arguments, "--detailed-exitcode"], capsys)[0] == 2
    same = ["plan", str(BASE), "--base", str(BASE), "--format", form, "--detailed-exitcode"]
    exit_code, out, err = run(same, capsys)
    assert (exit_code, err) == (0, "")
    assert out


def test_no_changes_say_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", str(BASE), "--base", str(BASE)], capsys)[1].endswith("Plan: no changes. Next: nothing to do.\n")


def test_without_a_base_everything_is_new(capsys: pytest.CaptureFixture[str]) -> None:
    exit_code, out, _ = run(["plan", str(BASE), "--detailed-exitcode"], capsys)
    assert exit_code == 2
    assert out.startswith("Policy set acme: nothing -> sha256:")
    assert "+ 22 gained" in out
    _, answer = run_json(["plan", str(BASE)], capsys)
    assert answer["base"] is None
    assert "nothing / " in run(["plan", str(BASE), "--format", "markdown"], capsys)[1]


def test_the_base_may_be_a_branch_tag_or_commit_whatever_is_checked_out(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    git(repository, "tag", "v1", "main")
    for ref in ("main", "v1", "HEAD", "HEAD~0", "refs/heads/main"):
        exit_code, answer = run_json(["plan", str(repository / "policies"), "--base", ref], capsys)
        assert (exit_code, answer["base"]["label"]) == (0, ref)
        assert answer["totals"]["capabilities"]["lost"] == 4


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    ("ref", "said"),
    [("nowhere", "git knows no such commit"), ("--output=x", "git knows no such commit")],
)
def test_a_base_that_is_not_there_is_3(
    repository: Path, form: str, ref: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["plan", str(repository / "policies"), f"--base={ref}", "--format", form]
    exit_code, out, err = run(arguments, capsys)
    assert exit_code == 3
    assert said in out
    assert err == f"keymgr: the base {ref} is not a policy; these are its problems.\n"


def test_a_folder_outside_a_repository_or_not_in_the_commit_is_3(
    repository: Path, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = tmp_path_factory.mktemp("alone") / "policies"
    shutil.copytree(BASE, alone)
    assert "there is no git repository here" in run(["plan", str(alone), "--base", "main"], capsys)[1]
    shutil.copytree(BASE, repository / "later")
    exit_code, out, _ = run(["plan", str(repository / "later"), "--base", "main"], capsys)
    assert exit_code == 3
    assert "there are no policy files in this commit" in out


def test_a_base_that_was_never_valid_is_3_and_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = Path(shutil.copytree(BASE, tmp_path / "broken"))
    (broken / "zz.yaml").write_text("apiVersion: keymgr/v1\nkind: Teem\n")
    for form in FORMATS:
        exit_code, out, err = run(["plan", str(HEAD), "--base", str(broken), "--format", form], capsys)
        assert exit_code == 3
        assert "Teem" in out
        assert "these are its problems" in err
        exit_code, out, err = run(["plan", str(broken), "--base", str(BASE), "--format", form], capsys)
        assert (exit_code, err) == (3, "")
        assert "Teem" in out
    marked = run(["plan", str(broken), "--base", str(BASE), "--format", "markdown"], capsys)[1]
    assert marked.startswith("<!-- keymgr-plan:acme -->\n### Policy plan: not valid\n")


def test_time_does_not_undo_a_base_that_was_valid(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wall = {"applies_to": {}, "enforcement": "enforce", "waivable": True, "deny": {"reason": "no"}}
    subject = {"owner": "pat", "service": "payments-api", "environments": ["dev"]}
    waiver = {"guardrail": "g", "subject": subject, "expires_at": "2099-04-01T00:00:00Z", "reason": "x"}
    whole = objects({"Guardrail/g": {"spec": wall}, "IssuanceRule/r": {"spec": a_rule_spec()}})
    base = folder_of(tmp_path / "base", {**whole, "Waiver/w": {"spec": waiver}})
    head = folder_of(tmp_path / "head", whole)
    assert run(["plan", head, "--base", base], capsys)[0] == 0
    assert run(["plan", base, "--base", head], capsys)[0] == 3


@pytest.fixture
def tripping(tmp_path: Path) -> tuple[str, str]:
    """Return a base and a head that drops a guardrail and is not excused."""
    wall = {"applies_to": {"environments": ["prod"]}, "enforcement": "enforce", "ceilings": {"max_ttl": "90d"}}
    whole = objects(
        {"Guardrail/wall": {"spec": wall}, "IssuanceRule/r": {"spec": a_rule_spec()}},
        {"always_ack": ["guardrail_removed"], "max_objects_pruned": {"count": 0}},
    )
    ack = {"guard": "max_objects_pruned", "max": 9, "reason": "meant", "expires_at": "2099-01-01T00:00:00Z"}
    base = folder_of(tmp_path / "base", whole)
    commands.run(["policy", "plan", base, "--format", "json"])
    head = without(whole, "Guardrail/wall")
    late = {"guard": "admin_changed", "reason": "late", "expires_at": "2020-01-01T00:00:00Z"}
    unknown = {"base": "sha256:000000000000"}
    acks: Objects = {"ChangeAck/meant": {"spec": {**ack, **unknown}}, "ChangeAck/late": {"spec": {**late, **unknown}}}
    return base, folder_of(tmp_path / "head", {**head, **acks})


def with_base_digest(base: str, head: str, capsys: pytest.CaptureFixture[str]) -> None:
    digest = run_json(["plan", base], capsys)[1]["head"]["digest"]
    for path in Path(head).iterdir():
        path.write_text(path.read_text().replace("sha256:000000000000", digest))


def test_a_tripped_guard_is_5_in_every_format(tripping: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    base, head = tripping
    with_base_digest(base, head, capsys)
    for form in FORMATS:
        arguments = ["plan", head, "--base", base, "--format", form, "--detailed-exitcode"]
        exit_code, out, err = run(arguments, capsys)
        assert (exit_code, err) == (5, "")
        assert "guardrail_removed" in out
    _, out, _ = run(["plan", head, "--base", base], capsys)
    assert "  x guardrail_removed counts 1, 0 allowed: Guardrail/wall" in out
    assert "      to go on, add to this change: kind ChangeAck, guard guardrail_removed, max 1, base sha256:" in out
    assert "  ok max_objects_pruned counts 1, 0 allowed: Guardrail/wall" in out
    assert "      acknowledged by meant: meant" in out
    assert "  ChangeAck late does not count: expired" in out
    assert "then narrow the change, or add a ChangeAck to it." in out
    _, answer = run_json(["plan", head, "--base", base], capsys)
    assert answer["result"] == "blocked"
    assert {trip["guard"]: trip["excused_by"] for trip in answer["guards"]["trips"]} == {
        "guardrail_removed": None,
        "max_objects_pruned": "meant",
    }
    _, out, _ = run(["plan", head, "--base", base, "--format", "github"], capsys)
    assert out.startswith("::error file=")
    assert "title=Guard tripped::guardrail_removed counts 1, 0 allowed: Guardrail/wall." in out
    assert "title=Removed::Guardrail/wall is removed." in out


@pytest.mark.parametrize(
    "arguments",
    [
        ["plan"],
        ["plan", str(BASE), "--format", "sarif"],
        ["plan", str(BASE), "--bass", "x"],
        ["who-can", str(BASE)],
        ["who-can", str(BASE), "--service", "pay"],
        ["who-can", str(BASE), "--service", "payments-api", "--scope", "charge:read"],
        ["who-can", str(BASE), "--service", "payments-api", "--env", "moon"],
    ],
)
def test_wrong_usage_is_64(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments, capsys)[:2] == (64, "")


def test_who_can_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    question = ["who-can", str(BASE), "--service", "payments-api", "--scope", "charges:write", "--env", "prod"]
    exit_code, out, _ = run(question, capsys)
    assert exit_code == 0
    assert out == (
        "payments / service_account   charges:write   prod\n"
        "    by payments-prod-write (rules/payments.yaml:11): 2 approval steps; max_ttl 90d; 2 keys; networks "
        "required, within 10.20.0.0/16, 2001:db8:20::/48, at most 8; rate burst 500/10s, minute 6000/1m; "
        "if issuance.mfa equals yes, owner.status equals active\n"
        "1 group can hold this.\n"
    )
    nobody = ["who-can", str(BASE), "--service", "payments-api", "--scope", "refunds:write"]
    assert run(nobody, capsys)[1] == "Nobody can hold this.\n"


def test_who_can_names_people_other_ways_and_walls(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = objects(
        {
            "IssuanceRule/r": {"spec": a_rule_spec()},
            "IssuanceRule/s": {"spec": a_rule_spec(approval="lead")},
            "Guardrail/g": {
                "spec": {"applies_to": {"teams": ["security"]}, "enforcement": "enforce", "deny": {"reason": "no"}}
            },
        }
    )
    whole["Team/payments"]["spec"]["members"] = [f"person-{number}" for number in range(9)]
    out = run(["who-can", folder_of(tmp_path / "p", whole), "--service", "payments-api"], capsys)[1]
    assert "    by r (part-" in out
    assert "    or by s (part-" in out
    assert "but g for security: denies" in out
    assert "person-7 and 1 more" in out


def test_who_can_for_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exit_code, answer = run_json(["who-can", str(BASE), "--service", "payments-api"], capsys)
    assert (exit_code, answer["asked"]) == (0, {"service": "payments-api", "scope": None, "environment": None})
    first = answer["holders"][0]
    assert (first["teams"], first["needs_approval"]) == (["analytics"], True)
    assert first["ways"][0]["cidrs"]["within"] == ["10.40.0.0/16"]
    (tmp_path / "x.yaml").write_text("kind: Teem")
    assert run_json(["who-can", str(tmp_path), "--service", "x"], capsys)[0] == 3


def test_planning_loads_neither_flask_nor_sqlalchemy(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "sys.modules['sqlalchemy'] = sys.modules['flask'] = None\n"
        "from keymgr.cli.commands import run\n"
        f"codes = [run(['policy', 'plan', {str(HEAD)!r}, '--base', {str(BASE)!r}, '--format', each])"
        f" for each in {FORMATS!r}]\n"
        f"codes.append(run(['policy', 'who-can', {str(BASE)!r}, '--service', 'payments-api']))\n"
        "sys.exit(sum(codes))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert list(tmp_path.iterdir()) == []
