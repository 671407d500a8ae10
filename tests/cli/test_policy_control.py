"""Policy control typed: what each command says, to people and to programs, and every exit code of it."""

import shutil
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from keymgr.cli import commands
from keymgr.store.engine import connect
from keymgr.store.lock import own_policy
from keymgr.store.people import Person
from keymgr.store.policies import PolicyHead, PolicyRevision
from keymgr.store.standing import Effect
from tests.cli.controlled import Installation, install
from tests.reconcile.doors import GUARDED, GUARDRAIL
from tests.reconcile.small_policy import PLACE, REST, small_policy

APPROVED = b"""
apiVersion: keymgr/v1
kind: ApprovalPolicy
metadata: {name: lead, owner: payments}
spec: {steps: [{name: lead, from: {teams: [payments]}, count: 1}]}
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Installation:
    return install(tmp_path, monkeypatch, capsys)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "policies", small_policy(30))


def write(folder: Path, files: Mapping[str, bytes]) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


def guarded() -> dict[str, bytes]:
    return small_policy(30) | {"rest.yaml": REST.replace("\n---", f"\n{GUARDED}---", 1).encode()}


def three_revisions(here: Installation, folder: Path) -> None:
    """Thirty days, then thirty-one, then back to thirty."""
    for days in (30, 31):
        assert here.run("apply", write(folder, small_policy(days))) == 0
    assert here.run("rollback", "--to", 1, "--reason", "people cannot work") == 0


def test_before_the_first_apply_every_command_says_so(here: Installation, folder: Path) -> None:
    assert here.both("history")[1]["revisions"] == []
    assert here.both("status")[1]["applied"] is None
    assert here.both("drift")[1]["drift"] is None
    assert here.both("drift", "--fix")[0] == 0
    assert here.both("unpin")[1]["changed"] is False
    assert here.json("show")[0] == 64
    assert here.json("export", folder.parent / "out")[0] == 64
    assert here.both("rollback", "--to", 1, "--reason", "x")[0] == 64
    assert here.json("explain", "--owner", "ana", "--service", "s", "--env", "e", "--scopes", "a")[0] == 1


def test_a_story_of_three_revisions_is_told(here: Installation, folder: Path) -> None:
    three_revisions(here, folder)
    _, answer = here.both("history")
    told = [(each["revision"], each["in_force"], each["rollback_of"]) for each in answer["revisions"]]
    assert told == [(3, True, 2), (2, False, None), (1, False, None)]
    assert "rollback of 2 to 1" in here.out
    assert [each["revision"] for each in here.json("history", "--limit", 1, "--before", 3)[1]["revisions"]] == [2]
    _, answer = here.both("show", 2)
    (change,) = answer["changes"]
    assert (change["name"], change["changes"][0]["before"], change["changes"][0]["after"]) == ("a", "30d", "31d")
    assert "limits.max_ttl   30d -> 31d" in here.out
    assert here.both("show")[1]["revision"] == 3
    assert here.json("show", 9)[0] == 64


def test_status_tells_what_is_in_force_what_was_tried_and_what_the_folder_says(
    here: Installation, folder: Path
) -> None:
    three_revisions(here, folder)
    code, answer = here.both("status", folder, "--detailed-exitcode")
    assert (code, answer["sync"]["in_sync"]) == (2, False)
    assert answer["pinned"]["reason"] == "people cannot work"
    assert "Pinned after a rollback: people cannot work" in here.out
    assert here.both("status", folder)[0] == 0
    write(folder, small_policy(30))
    assert here.both("status", folder, "--detailed-exitcode")[0] == 0
    (folder / "half.yaml").write_bytes(b"kind: Te")
    code, answer = here.both("status", folder)
    assert (code, answer["applied"]["revision"]) == (3, 3)
    assert answer["problems"]
    assert here.both("apply", folder)[0] == 3
    _, answer = here.both("status")
    assert (answer["attempted"]["exit_code"], answer["sync"]) == (3, None)


def test_effects_that_fail_are_8_and_the_policy_is_in_force_all_the_same(here: Installation, folder: Path) -> None:
    now = datetime.now(UTC)
    with here.session() as session:
        failed = Effect(idempotency_key="x", kind="notify", payload={}, created_at=now, next_at=now + timedelta(days=1))
        failed.tries, failed.last_error = 3, "OSError: mail is away"
        session.add(failed)
    code, answer = here.json("apply", folder)
    assert (code, answer["revision"], answer["changed"]) == (8, 1, True)
    assert here.run("apply", folder) == 8
    assert "keymgr policy status" in here.out
    code, answer = here.both("status", folder, "--detailed-exitcode")
    assert (code, answer["health"], answer["effects"]["failing"]) == (8, "degraded", 1)
    assert here.both("status")[0] == 0


def test_a_guard_is_5_and_says_what_to_add(here: Installation, folder: Path) -> None:
    write(folder, guarded() | {"guardrails.yaml": GUARDRAIL})
    _, first = here.json("apply", folder)
    write(folder, guarded())
    code, answer = here.both("apply", folder)
    assert code == 5
    (block,) = answer["blocked_by"]
    assert (block["code"], block["items"]) == ("guardrail_removed", ["Guardrail/ceiling"])
    assert block["ack"]["base"] == first["digest"]
    assert "to go on, add a ChangeAck: guard guardrail_removed" in here.out
    assert here.both("status")[1]["applied"]["revision"] == 1
    ack = f"""
apiVersion: keymgr/v1
kind: ChangeAck
metadata: {{name: once, owner: payments}}
spec: {{guard: guardrail_removed, max: 1, base: "{first["digest"]}", expires_at: "2099-01-01T00:00:00Z", reason: yes}}
"""
    (folder / "ack.yaml").write_text(ack.replace("reason: yes", "reason: wanted"))
    assert here.run("apply", folder) == 0, here.out


def test_a_rollback_over_a_guard_takes_an_acknowledgement_from_a_file(here: Installation, folder: Path) -> None:
    here.run("apply", write(folder, guarded()))
    _, second = here.json("apply", write(folder, guarded() | {"guardrails.yaml": GUARDRAIL}))
    back = ("rollback", "--to", 1, "--reason", "too strict")
    code, answer = here.both(*back)
    assert (code, answer["blocked_by"][0]["code"]) == (5, "guardrail_removed")
    ack = here.root / "ack.yaml"
    ack.write_text(
        f"apiVersion: keymgr/v1\nkind: ChangeAck\nmetadata: {{name: once, owner: payments}}\nspec: {{guard: "
        f'guardrail_removed, base: "{second["digest"]}", expires_at: "2099-01-01T00:00:00Z", reason: wanted}}\n'
    )
    assert here.json(*back, "--ack", ack)[1]["revision"] == 3
    ack.write_bytes(GUARDRAIL)
    assert here.json(*back, "--ack", ack)[0] == 64
    ack.write_bytes(b"kind: Te")
    assert here.json(*back, "--ack", ack)[0] == 64


def test_what_was_rolled_back_is_7_until_it_is_unpinned(here: Installation, folder: Path) -> None:
    three_revisions(here, folder)
    code, answer = here.both("apply", folder)
    assert (code, answer["reason"]) == (7, "pinned")
    assert "keymgr policy unpin" in here.out
    assert here.both("rollback", "--to", 1, "--reason", "again")[1]["changed"] is False
    assert here.json("unpin")[1]["reason"] == "people cannot work"
    assert here.json("apply", folder)[0] == 0


def test_a_rollback_to_what_cannot_be_read_is_3(here: Installation, folder: Path) -> None:
    for days in (30, 31):
        here.run("apply", write(folder, small_policy(days)))
    with here.session() as session:
        session.execute(update(PolicyRevision).where(PolicyRevision.id == 1).values(documents=[]))
    code, answer = here.both("rollback", "--to", 1, "--reason", "x")
    assert code == 3
    assert answer["problems"]
    assert here.json("export", folder.parent / "out", "--revision", 1)[0] == 1


def test_another_digest_than_the_reviewed_one_is_7(here: Installation, folder: Path) -> None:
    code, answer = here.both("apply", folder, "--expect-digest", "sha256:00")
    assert (code, answer["reason"]) == (7, "other_digest")
    assert here.both("apply", folder, "--expect-base", "sha256:00")[1]["reason"] == "base_moved"


def test_once_a_commit_was_applied_a_folder_without_git_has_to_name_its_base(here: Installation, folder: Path) -> None:
    _, first = here.json("apply", folder, "--revision", "v1")
    assert here.both("apply", folder)[0] == 0
    write(folder, small_policy(31))
    code, answer = here.both("apply", folder, "--revision", "v2")
    assert (code, answer["reason"]) == (7, "base_needed")
    assert f"--expect-base {first['digest']}" in here.out
    assert here.run("apply", folder, "--revision", "v2", "--expect-base", first["digest"]) == 0
    assert here.attempts()[0] == (0, "v1")
    assert here.attempts()[-1] == (0, "v2")


def test_a_lock_that_is_held_is_6_for_every_command_that_writes(here: Installation, folder: Path) -> None:
    here.run("apply", folder)
    engine = connect(here.url)
    with Session(engine) as session:
        own_policy(session, 1)
        for command in (
            ("apply", folder),
            ("rollback", "--to", 1, "--reason", "x"),
            ("unpin",),
            ("drift", "--fix"),
        ):
            code, answer = here.json(*command, "--wait", "0.1")
            assert (code, bool(answer["message"])) == (6, True)
            assert here.run(*command, "--wait", "0.1") == 6
        for command in (("status",), ("history",), ("show",), ("drift",)):
            assert here.both(*command)[0] == 0
    engine.dispose()


def test_drift_is_2_when_asked_and_mended_from_the_folder(here: Installation, folder: Path) -> None:
    here.run("apply", folder, "--revision", "v1")
    assert here.both("drift", "--detailed-exitcode")[0] == 0
    assert here.both("drift", folder, "--detailed-exitcode")[1]["sync"]["in_sync"] is True
    with here.session() as session:
        session.execute(update(PolicyRevision).values(documents=[]))
    code, answer = here.both("drift", "--detailed-exitcode")
    assert (code, answer["drift"]["kind"]) == (2, "unreadable")
    assert here.both("status", "--detailed-exitcode")[0] == 2
    assert here.both("drift", folder)[0] == 0
    code, answer = here.both("drift", "--fix")
    assert (code, answer["revision"]) == (7, None)
    assert "name the folder at commit v1" in here.out
    code, answer = here.json("drift", folder, "--fix")
    assert (code, answer["revision"]) == (0, 2)
    assert here.both("drift", folder, "--detailed-exitcode")[0] == 0
    assert here.both("drift", write(folder, small_policy(31)), "--detailed-exitcode")[0] == 2
    assert here.both("drift", write(folder, {"a.yaml": b"kind: Te"}))[0] == 3


def test_an_export_is_a_folder_that_is_in_sync(here: Installation, folder: Path) -> None:
    here.run("apply", folder)
    out = folder.parent / "exported" / "policies"
    code, answer = here.json("export", out)
    assert (code, len(answer["files"])) == (0, 5)
    assert here.both("drift", out, "--detailed-exitcode")[0] == 0
    assert here.run("fmt", out, "--check") == 0
    assert here.json("apply", out)[1]["changed"] is False
    assert here.json("export", out)[0] == 64
    assert "not empty" in here.json("export", out)[1]["message"]
    assert [each.name for each in out.parent.iterdir()] == ["policies"]
    assert here.run("export", folder.parent / "second") == 0
    assert "5 files" in here.out


def explained(*more: object) -> tuple[object, ...]:
    return ("explain", *more, "--service", "ledger", "--env", "dev", "--scopes", "entries:read")


def test_explain_offline_has_an_exit_code_for_each_answer(here: Installation, folder: Path) -> None:
    ask = explained("--policies", folder, "--as-team", "payments")
    code, answer = here.both(*ask)
    assert (code, answer["result"], answer["rule"]) == (0, "allowed", "a")
    assert "Allowed by a (rules/a.yaml:2)" in here.out
    code, answer = here.both(*ask, "--ttl", "40d")
    assert (code, answer["result"], answer["reasons"][0]["reason"]) == (20, "denied", "LIMIT_TTL")
    assert here.both(*explained("--policies", folder))[0] == 20
    needs = small_policy(30)[PLACE].replace(b"approval: none", b"approval: lead")
    tests = REST.replace("decision: allow, rule: a", "decision: needs_approval, rule: a").encode()
    write(folder, {PLACE: needs, "rest.yaml": tests, "approvals.yaml": APPROVED})
    code, answer = here.both(*ask, "--owner-kind", "service_account")
    assert (code, answer["result"]) == (21, "needs_approval")
    assert here.both(*explained("--policies", folder.parent / "nowhere"))[0] == 3


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--owner", "ana", "--key", "key_1"),
        ("--owner", "ana", "--as-team", "payments"),
        ("--policies", "."),
        ("--policies", ".", "--ttl", "1y", "--service", "a", "--env", "b", "--scopes", "c"),
        ("--policies", ".", "--fact", "owner.kind=user", "--service", "a", "--env", "b", "--scopes", "c"),
        ("--policies", ".", "--fact", "issuance.mfa=maybe", "--service", "a", "--env", "b", "--scopes", "c"),
    ],
)
def test_a_question_that_makes_no_sense_is_64(here: Installation, arguments: tuple[str, ...]) -> None:
    assert here.run("explain", *arguments) == 64
    assert here.out == ""


def test_a_team_that_is_not_there_is_64_with_the_nearest_one(here: Installation, folder: Path) -> None:
    assert here.run(*explained("--policies", folder, "--as-team", "paiments")) == 64
    assert 'did you mean "payments"?' in here.err


def test_explain_for_an_owner_asks_what_is_in_force(here: Installation, folder: Path) -> None:
    here.run("apply", folder, "--revision", "v1")
    with here.session() as session:
        for name in ("ben", "eve"):
            session.add(Person(id=f"usr_{name}", name=name, display_name=name, created_at=datetime.now(UTC)))
    code, answer = here.both(*explained("--owner", "ben"))
    assert (code, answer["asked"]["teams"]) == (0, ["payments"])
    assert "revision 1" in answer["policy"]
    assert "commit v1" in answer["policy"]
    assert here.both(*explained("--owner", "user:eve"))[0] == 20
    assert here.json(*explained("--owner", "nobody"))[0] == 64
    assert here.json("explain", "--key", "key_nothing")[0] == 64


@pytest.mark.parametrize(
    "arguments",
    [
        ("apply", ".", "--revision", ""),
        ("apply", ".", "--revision", "two words"),
        ("apply", ".", "--revision", "x" * 65),
        ("apply", ".", "--history-rewritten"),
        ("apply", ".", "--verify-signature", "head"),
        ("rollback", "--to", "0", "--reason", "x"),
        ("rollback", "--to", "1", "--reason", " "),
        ("rollback", "--to", "1"),
        ("history", "--limit", "0"),
        ("show", "abc"),
        ("export",),
    ],
)
def test_what_is_typed_wrong_is_64_and_never_2(here: Installation, arguments: tuple[str, ...]) -> None:
    assert here.run(*arguments) == 64
    assert here.out == ""
    assert here.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("history",),
        ("show",),
        ("status",),
        ("drift",),
        ("drift", "--fix"),
        ("unpin",),
        ("rollback", "--to", "1", "--reason", "x"),
        ("export", "out"),
        explained("--owner", "ben"),
        ("explain", "--key", "key_1"),
    ],
)
def test_without_a_database_or_settings_the_answer_is_1_and_json_as_well(
    here: Installation, arguments: tuple[object, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KEYMGR_DATABASE_URL", f"sqlite:///{tmp_path}/data/nothing.db")
    code, answer = here.json(*arguments)
    assert code == 1
    assert "keymgr database upgrade" in answer["message"]
    monkeypatch.setenv("KEYMGR_WORKERS", "many")
    code, answer = here.json(*arguments)
    assert code == 1
    assert "KEYMGR_WORKERS" in answer["message"]
    assert here.run(*arguments) == 1
    assert here.out == ""


def test_a_database_whose_head_is_gone_is_told(here: Installation, folder: Path) -> None:
    here.run("apply", folder)
    with here.session() as session:
        session.query(PolicyHead).delete()
    assert here.both("drift", "--detailed-exitcode")[1]["drift"]["kind"] == "head_missing"
    assert here.json("drift", "--fix")[1]["revision"] == 2


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.run(["policy", "--help"]) == 0
    out = capsys.readouterr().out
    for name in ("apply", "drift", "explain", "export", "history", "rollback", "show", "status", "unpin"):
        assert f"  {name} " in out
        assert commands.run(["policy", name, "--help"]) == 0
