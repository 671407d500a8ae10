"""The CI examples, run as they are written: in a real repository, against a small forge that remembers comments."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CI = ROOT / "deploy/ci"
GITHUB, GITEA = CI / "github/keymgr-policy.yml", CI / "gitea/keymgr-policy.yml"
GITLAB = CI / "gitlab/keymgr-policy.gitlab-ci.yml"
HOOKS = CI / "pre-commit-hooks.yaml"
BOTS = {GITHUB: "github-actions[bot]", GITEA: "gitea-actions", GITLAB: "keymgr-bot"}
NUMBER, TOKEN = "7", "a-token-of-the-forge"


@dataclass
class Forge:
    """The comments of one pull request, and who asked for what."""

    bot: str
    url: str = ""
    comments: list[dict[str, Any]] = field(default_factory=list)
    calls: list[tuple[str, str]] = field(default_factory=list)

    def add(self, login: str, body: str) -> dict[str, Any]:
        who = {"login": login, "id": len(login)}
        self.comments.append({"id": 100 + len(self.comments), "user": who, "author": who, "body": body})
        return self.comments[-1]

    def answer(self, method: str, target: str, sent: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON.
        address = urlsplit(target)
        self.calls.append((method, address.path))
        if address.path.endswith("/user"):
            return {"id": len(self.bot)}
        if method == "GET":
            page = int(parse_qs(address.query).get("page", ["1"])[0]) - 1
            size = int(parse_qs(address.query).get("per_page", ["1000"])[0])
            return self.comments[page * size : (page + 1) * size]
        if method == "POST":
            return self.add(self.bot, sent["body"])
        (found,) = [each for each in self.comments if address.path.endswith(f"/{each['id']}")]
        found["body"] = sent["body"]
        return found


@pytest.fixture
def forge(request: pytest.FixtureRequest) -> Iterator[Forge]:
    """Serve a forge on a port of its own."""
    made = Forge(BOTS[request.param])

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            told = self.headers.get("Authorization") or self.headers.get("PRIVATE-TOKEN") or ""
            length = int(self.headers.get("Content-Length") or 0)
            sent = json.loads(self.rfile.read(length)) if length else {}
            allowed = told.endswith(TOKEN)
            body = json.dumps(made.answer(self.command, self.path, sent) if allowed else {}).encode()
            self.send_response(200 if allowed else 403)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PATCH = do_PUT = _serve  # noqa: N815 - the names are http.server's.

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        made.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield made
        server.shutdown()
        thread.join()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a repository whose branch is a pull request on the worked example; `keymgr` is on the PATH beside it."""
    here = tmp_path / "repository"
    shutil.copytree(ROOT / "policies", here / "policies")
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "keymgr").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m keymgr.cli "$@"\n')
    (tools / "keymgr").chmod(0o755)
    git(here, "init", "-q", "-b", "main")
    commit(here)
    git(here, "update-ref", "refs/remotes/origin/main", "main")
    git(here, "checkout", "-q", "-b", "feature")
    change(here, "max_keys_per_owner: 2", "max_keys_per_owner: 1")
    return here


def git(here: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b")
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=here, capture_output=True, text=True, check=True, timeout=30
    )
    return done.stdout.strip()


def commit(here: Path) -> None:
    git(here, "add", ".")
    git(here, "commit", "-qm", "change")


def change(here: Path, before: str, after: str) -> None:
    path = here / "policies/rules/reports.yaml"
    assert before in path.read_text()
    path.write_text(path.read_text().replace(before, after, 1))
    commit(here)


def surroundings(here: Path, forge: Forge | None = None) -> dict[str, str]:
    url = forge.url if forge else "http://127.0.0.1:1"
    return {
        "PATH": f"{here.parent / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "HOME": str(here.parent),
        "NO_PROXY": "*",
        "GITHUB_API_URL": url,
        "GITHUB_SERVER_URL": url,
        "GITHUB_REPOSITORY": "acme/policies",
        "GITHUB_BASE_REF": "main",
        "GITHUB_STEP_SUMMARY": str(here.parent / "summary.md"),
        "CI_API_V4_URL": url,
        "CI_PROJECT_ID": "1",
        "CI_MERGE_REQUEST_IID": NUMBER,
        "CI_MERGE_REQUEST_DIFF_BASE_SHA": git(here, "rev-parse", "main"),
        "KEYMGR_NOTE_TOKEN": TOKEN,
    }


def bash(here: Path, script: str, environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    command = ["bash", "-e", "-o", "pipefail", "-c", script]
    return subprocess.run(command, cwd=here, env=environ, capture_output=True, text=True, check=False, timeout=120)


def jobs(path: Path) -> dict[str, dict[str, Any]]:
    """Return the pipeline, its scripts by name: of steps on GitHub and Gitea, of jobs on GitLab."""
    read: dict[Any, Any] = yaml.safe_load(path.read_text())
    if path == GITLAB:
        return {name: {**job, "run": "\n".join(job["script"])} for name, job in read.items() if "script" in job}
    return {step["name"]: step for step in read["jobs"]["policy"]["steps"] if "run" in step}


def run_all(path: Path, here: Path, forge: Forge, *, about: str = "") -> dict[str, int]:
    """Run every script of a pipeline but the one that installs, and return how each ended."""
    ends = {}
    for name, step in jobs(path).items():
        if "pip" not in step["run"] and about in step["run"]:
            fixed = {"TOKEN": TOKEN, "NUMBER": NUMBER} if "env" in step else {}
            done = bash(here, step["run"], {**surroundings(here, forge), **fixed})
            ends[name] = done.returncode
            assert TOKEN not in done.stdout + done.stderr
    return ends


@pytest.mark.parametrize("path", [GITHUB, GITEA, GITLAB, HOOKS], ids=lambda path: path.parent.name)
def test_each_example_is_yaml_that_an_editor_could_read(path: Path) -> None:
    assert yaml.safe_load(path.read_text())
    assert "\t" not in path.read_text()


@pytest.mark.parametrize("path", [GITHUB, GITEA], ids=lambda path: path.parent.name)
def test_a_workflow_trusts_nobody_but_checkout_and_no_words_of_the_pull_request(path: Path) -> None:
    read = yaml.safe_load(path.read_text())
    assert list(read[True]) == ["pull_request"]  # YAML 1.1 reads the key `on` as true.
    steps = read["jobs"]["policy"]["steps"]
    assert [step["uses"] for step in steps if "uses" in step] == ["actions/checkout@v4"]
    assert steps[0]["with"] == {"fetch-depth": 0, "persist-credentials": False}
    assert [step for step in steps if "${{" in step.get("run", "")] == []
    if path == GITHUB:
        assert read["permissions"] == {"contents": "read", "pull-requests": "write"}


@pytest.mark.parametrize("path", [GITHUB, GITEA, GITLAB], ids=lambda path: path.parent.name)
def test_each_example_installs_the_light_extra_and_runs_every_check(path: Path) -> None:
    text = path.read_text()
    assert "install --quiet 'keymgr[policy]==" in text
    for command in ("validate", "fmt policies --check", "lint policies --fail-on warning", "test", "plan"):
        assert f"keymgr policy {command}" in text


@pytest.mark.parametrize(
    ("forge", "path"),
    [(path, path) for path in (GITHUB, GITEA, GITLAB)],
    indirect=["forge"],
    ids=["github", "gitea", "gitlab"],
)
def test_every_script_runs_and_one_comment_is_kept_up_to_date(forge: Forge, path: Path, repository: Path) -> None:
    for number in range(130):
        forge.add("ana", f"comment {number}")
    forge.add("mallory", "<!-- keymgr-plan:acme -->\nNothing to see here.")
    assert set(run_all(path, repository, forge).values()) == {0}
    first = forge.comments[-1]
    assert first["user"]["login"] == forge.bot
    assert first["body"].startswith("<!-- keymgr-plan:acme -->\n### Policy plan for `acme`")
    assert first["body"] == (repository / "plan.md").read_text()
    before = first["body"]

    change(repository, "max_ttl: 30d, default_ttl: 30d", "max_ttl: 28d, default_ttl: 28d")
    assert set(run_all(path, repository, forge, about="plan.md").values()) == {0}
    assert len(forge.comments) == 132
    assert forge.comments[-1]["id"] == first["id"]
    assert forge.comments[-1]["body"] != before
    assert forge.comments[-2]["body"].endswith("Nothing to see here.")


@pytest.mark.parametrize(
    ("forge", "path"),
    [(path, path) for path in (GITHUB, GITEA, GITLAB)],
    indirect=["forge"],
    ids=["github", "gitea", "gitlab"],
)
def test_a_policy_that_is_not_valid_fails_and_the_comment_says_so(forge: Forge, path: Path, repository: Path) -> None:
    change(repository, "approval: none", "approval: nonesuch")
    ends = run_all(path, repository, forge)
    comment = ends.pop("Keep one comment up to date", None)
    assert comment in (0, None)
    assert (
        set(ends.values()) == {3} if path == GITLAB else {name for name, end in ends.items() if end == 0} == {"Layout"}
    )
    if path == GITLAB:
        for report in jobs(path)["keymgr policy"]["artifacts"]["reports"]["junit"]:
            assert (repository / report).read_text().startswith("<?xml")
    assert len(forge.comments) == 1
    assert "E301" in forge.comments[0]["body"]


@pytest.mark.parametrize("forge", [GITHUB], indirect=True)
def test_a_comment_that_is_not_kept_fails_and_a_plan_that_is_not_there_is_no_comment(
    forge: Forge, repository: Path
) -> None:
    step = jobs(GITHUB)["Keep one comment up to date"]["run"]
    (repository / "plan.md").write_text("")
    environ = {**surroundings(repository, forge), "NUMBER": NUMBER, "TOKEN": TOKEN}
    assert bash(repository, step, environ).returncode == 0
    assert forge.calls == []
    (repository / "plan.md").write_text("<!-- keymgr-plan:acme -->\n")
    assert bash(repository, step, {**environ, "TOKEN": "another"}).returncode != 0
    assert forge.comments == []


@pytest.mark.parametrize("forge", [GITLAB], indirect=True)
def test_without_a_token_for_notes_the_plan_is_only_in_the_log(forge: Forge, repository: Path) -> None:
    environ = {**surroundings(repository, forge), "KEYMGR_NOTE_TOKEN": ""}
    done = bash(repository, jobs(GITLAB)["keymgr policy plan"]["run"], environ)
    assert (done.returncode, forge.calls) == (0, [])
    assert "### Policy plan for `acme`" in done.stdout


def test_the_hooks_run_as_they_are_written(repository: Path) -> None:
    hooks = yaml.safe_load(HOOKS.read_text())
    assert len({hook["id"] for hook in hooks}) == 4
    for hook in hooks:
        assert set(hook) == {"id", "name", "entry", "language", "files", "pass_filenames"}
        assert re.match(hook["files"], "policies/rules/a.yaml")
        done = bash(repository, hook["entry"], surroundings(repository))
        assert done.returncode == 0, done.stdout
    assert git(repository, "status", "--porcelain") == ""
