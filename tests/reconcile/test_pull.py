"""Pull mode: a real repository over HTTP, fetched and applied as `keymgr policy apply` does."""

import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from keymgr.reconcile.apply import Applied, apply_policy
from keymgr.reconcile.git_fetch import Fetched, NotFetched, Source, fetch
from keymgr.reconcile.pull import Pulled, pull
from keymgr.reconcile.pull_due import RUNNING, hint, is_due
from keymgr.reconcile.puller import Puller
from keymgr.reconcile.signatures import Signers
from keymgr.store.leases import Lease, take
from keymgr.store.lock import own_policy
from keymgr.store.policies import PolicyAttempt, PolicyRevision
from tests.reconcile.repositories import TOKEN, USER, Forge, Repository, git, serving
from tests.reconcile.small_policy import small_policy


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


@pytest.fixture
def forge(repository: Repository) -> Iterator[Forge]:
    with serving(repository.root) as forge:
        yield forge


@pytest.fixture
def source(forge: Forge, tmp_path: Path) -> Source:
    return Source(forge.url, "main", "policies", tmp_path / "cache.git")


class House:
    """A database, the clock's way to it, and a clock that is set by hand."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.time = datetime.now(UTC)

    @contextmanager
    def begin(self) -> Iterator[Session]:
        with Session(self.engine) as session, session.begin():
            yield session

    def now(self) -> datetime:
        return self.time

    def pull(self, source: Source) -> Pulled:
        return pull(source, self.begin, self.now)

    def puller(self, source: Source, holder: str = "me") -> Puller:
        return Puller(source, 120, self.begin, self.now, holder)

    def revisions(self) -> list[tuple[str | None, str | None, str]]:
        with self.begin() as session:
            columns = select(PolicyRevision.commit, PolicyRevision.ref, PolicyRevision.applied_by)
            return [
                (row.commit, row.ref, row.applied_by) for row in session.execute(columns.order_by(PolicyRevision.id))
            ]

    def attempts(self) -> list[tuple[str | None, int | None]]:
        with self.begin() as session:
            columns = select(PolicyAttempt.commit, PolicyAttempt.result_code).order_by(PolicyAttempt.id)
            return [(row.commit, row.result_code) for row in session.execute(columns)]

    def is_due(self) -> bool:
        with self.begin() as session:
            return is_due(session, self.time)


@pytest.fixture
def house(engine: Engine) -> House:
    return House(engine)


def test_the_tip_of_the_branch_comes_into_force_once(house: House, repository: Repository, source: Source) -> None:
    sha = repository.push(small_policy(2))
    assert house.pull(source).changed
    assert house.revisions() == [(sha, "main", "clock")]
    again = house.pull(source)
    assert (again.result_code, again.changed) == (0, False)
    assert house.attempts() == [(sha, 0)]
    with house.begin() as session:
        assert session.scalar(select(PolicyRevision.author)) == "Ana <ana@example.org>"


def test_a_pull_request_branch_changes_nothing_until_it_is_merged(
    house: House, repository: Repository, source: Source
) -> None:
    first = repository.push(small_policy(2))
    house.pull(source)
    proposed = repository.push(small_policy(3), branch="pull/7")
    assert not house.pull(source).changed
    repository.switch("main")
    git(repository.work, "merge", "--quiet", "--ff-only", "pull/7")
    git(repository.work, "push", "--quiet", "origin", "main")
    assert house.pull(source).changed
    assert [commit for commit, *_ in house.revisions()] == [first, proposed]


def test_only_the_branch_is_fetched_and_nothing_is_checked_out(
    house: House, repository: Repository, source: Source
) -> None:
    repository.push(small_policy(2))
    repository.push(small_policy(3), branch="pull/7", message="elsewhere")
    git(repository.work, "tag", "v1")
    git(repository.work, "push", "--quiet", "origin", "v1")
    house.pull(source)
    assert git(source.cache, "for-each-ref", "--format=%(refname)") == "refs/heads/policy"
    assert git(source.cache, "rev-parse", "--is-bare-repository") == "true"
    assert not (source.cache / "policies").exists()
    assert stat.S_IMODE(source.cache.stat().st_mode) == 0o700


def test_an_older_commit_or_another_history_is_refused(house: House, repository: Repository, source: Source) -> None:
    old = repository.push(small_policy(2))
    new = repository.push(small_policy(3))
    house.pull(source)
    repository.switch("main", start=old)
    rewritten = repository.push(small_policy(4))
    pulled = house.pull(source)
    assert pulled.result_code == 7
    assert new[:12] in pulled.message
    assert house.attempts() == [(new, 0), (rewritten, 7)]
    assert len(house.revisions()) == 1


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ({"rules/a.yaml": b"kind: ["}, 3),
        ({"notes.txt": b"stray"}, 3),
        ({"rules/a.yaml": small_policy(2)["rules/a.yaml"].replace(b"teams: [payments]", b"roles: []")}, 3),
        (
            {
                "rest.yaml": small_policy(2)["rest.yaml"].replace(
                    b"decision: allow, rule: a", b"decision: allow, rule: b"
                )
            },
            4,
        ),
        ({"rest.yaml": small_policy(2)["rest.yaml"].replace(b"members: [ben]", b"members: [ben], idp_groups: 7")}, 3),
    ],
)
def test_what_is_not_good_leaves_the_last_good_policy(
    house: House, repository: Repository, source: Source, files: dict[str, bytes], code: int
) -> None:
    good = repository.push(small_policy(2))
    house.pull(source)
    bad = repository.push(files)
    pulled = house.pull(source)
    assert (pulled.result_code, bool(pulled.message)) == (code, True), pulled
    assert [commit for commit, *_ in house.revisions()] == [good]
    assert house.attempts() == [(good, 0), (bad, code)]


def test_guards_stand_in_the_way_as_they_do_for_apply(house: House, repository: Repository, source: Source) -> None:
    repository.push(small_policy(2, "b"))
    house.pull(source)
    protected = small_policy(2)["rest.yaml"].replace(
        b"metadata: {name: ledger, owner: payments}", b"metadata: {name: ledger, owner: payments, protect: true}"
    )
    repository.push({"rest.yaml": protected})
    assert house.pull(source).changed
    repository.push({"rest.yaml": protected.replace(b"risk: low", b"risk: high")})
    pulled = house.pull(source)
    assert pulled.result_code == 5, pulled
    assert "protected_object_changed" in pulled.message


def test_another_apply_that_runs_is_waited_for_no_longer_than_apply_does(
    house: House, repository: Repository, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.push(small_policy(2))

    def apply_quickly(*arguments: object, **named: object) -> object:
        return apply_policy(*arguments, **named, wait_seconds=0.1)  # type: ignore[arg-type]  # passed through.

    monkeypatch.setattr("keymgr.reconcile.pull.apply_policy", apply_quickly)
    fetched = fetch(source)
    assert isinstance(fetched, Fetched)
    from keymgr.reconcile import pull as module  # noqa: PLC0415 - the part between two transactions.

    with Session(house.engine) as other, other.begin():
        own_policy(other, 5)
        told = module._apply(source, fetched, house.begin, house.now)  # noqa: SLF001 - the note before it would wait.
    assert isinstance(told, Pulled)
    assert told.result_code == 6


def test_a_branch_that_is_not_there_is_a_failed_attempt(house: House, repository: Repository, source: Source) -> None:
    repository.push(small_policy(2))
    pulled = house.pull(replace(source, branch="release"))
    assert pulled.result_code == 1
    assert "release" in pulled.message
    assert house.attempts() == [(None, 1)]


def test_a_folder_that_is_not_there_is_a_failed_attempt(house: House, repository: Repository, source: Source) -> None:
    sha = repository.push(small_policy(2))
    pulled = house.pull(replace(source, folder="elsewhere"))
    assert pulled.result_code == 1
    assert "KEYMGR_POLICY_PULL_PATH" in pulled.message
    assert house.attempts() == [(sha, 1)]


def test_the_top_of_the_repository_can_be_the_folder(repository: Repository, source: Source) -> None:
    repository.push(small_policy(2))
    git(repository.work, "mv", "policies/rest.yaml", "rest.yaml")
    git(repository.work, "mv", "policies/rules", "rules")
    repository.push({})
    fetched = fetch(replace(source, folder=""))
    assert isinstance(fetched, Fetched)
    assert fetched.files == small_policy(2)


def test_a_symbolic_link_in_the_folder_is_refused(house: House, repository: Repository, source: Source) -> None:
    repository.push(small_policy(2))
    (repository.work / "policies" / "link.yaml").symlink_to("/etc/passwd")
    repository.push({})
    pulled = house.pull(source)
    assert pulled.result_code == 3
    assert "symbolic link" in pulled.message


def test_a_forge_that_is_away_is_said(house: House, tmp_path: Path) -> None:
    pulled = house.pull(Source("http://127.0.0.1:9/policies.git", "main", "policies", tmp_path / "cache.git"))
    assert pulled.result_code == 1
    assert "cannot be fetched" in pulled.message


def test_a_cache_that_cannot_be_made_is_said(source: Source, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    told = fetch(replace(source, cache=tmp_path / "file" / "cache.git"))
    assert isinstance(told, NotFetched)
    assert "KEYMGR_POLICY_PULL_CACHE" in told.sentence


def test_a_repository_of_this_machine_can_be_named(repository: Repository, source: Source) -> None:
    sha = repository.push(small_policy(2))
    fetched = fetch(replace(source, url=repository.bare.as_uri()))
    assert isinstance(fetched, Fetched)
    assert fetched.sha == sha


def test_a_password_is_used_and_appears_nowhere(
    house: House, repository: Repository, forge: Forge, source: Source
) -> None:
    repository.push(small_policy(2))
    forge.password_needed = True
    refused = house.pull(source)
    assert refused.result_code == 1
    named = forge.url.replace("http://", f"http://{USER}:{quote(TOKEN, safe='')}@")
    wrong = house.pull(replace(source, url=forge.url.replace("http://", "http://keymgr:wrong-token@")))
    assert "wrong-token" not in wrong.message
    assert house.pull(replace(source, url=named)).changed
    assert quote(TOKEN, safe="") not in repr(replace(source, url=named))
    kept = b"".join(path.read_bytes() for path in source.cache.rglob("*") if path.is_file())
    assert TOKEN.encode() not in kept
    assert quote(TOKEN, safe="").encode() not in kept


def test_settings_of_the_account_do_not_count(
    repository: Repository, source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.push(small_policy(2))
    (tmp_path / ".gitconfig").write_text('[url "http://127.0.0.1:9/"]\n\tinsteadOf = http://127.0.0.1\n')
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_DIR", "/nonexistent")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert isinstance(fetch(source), Fetched)


def test_no_hook_of_the_cache_runs(repository: Repository, source: Source, tmp_path: Path) -> None:
    repository.push(small_policy(2))
    fetch(source)
    hooks = source.cache / "hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("reference-transaction", "post-update", "update"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
        (hooks / name).chmod(0o700)
    repository.push(small_policy(3))
    assert isinstance(fetch(source), Fetched)
    assert not (tmp_path / "ran").exists()


def test_a_tip_that_nobody_trusted_signed_is_refused(
    house: House, repository: Repository, source: Source, tmp_path: Path
) -> None:
    sha = repository.push(small_policy(2))
    signers = tmp_path / "signers"
    signers.touch()
    pulled = house.pull(replace(source, signers=Signers(signers)))
    assert pulled.result_code == 1
    assert "not from a trusted signer" in pulled.message
    assert house.attempts() == [(sha, 1)]


def test_what_was_deployed_by_hand_meanwhile_is_not_undone(
    house: House, repository: Repository, source: Source
) -> None:
    repository.push(small_policy(2))
    house.pull(source)
    with house.begin() as session:
        by_hand = apply_policy(
            session, small_policy(5), revision=None, ref=None, author=None, applied_by="cli:ana", now=house.now()
        )
        assert isinstance(by_hand, Applied)
    assert not house.pull(source).changed
    assert len(house.revisions()) == 2


def test_a_run_plans_the_next_one_with_jitter(house: House, repository: Repository, source: Source) -> None:
    repository.push(small_policy(2))
    puller = house.puller(source)
    start, waits = house.time, set()
    for _ in range(5):
        assert house.is_due()
        puller.run()
        with house.begin() as session:
            until = session.get_one(Lease, "policy-pull-due").until
        waits.add(until - house.time)
        house.time = until
    assert len(waits) == 5
    assert all(timedelta(seconds=108) <= wait <= timedelta(seconds=132) for wait in waits)
    assert house.time > start


def test_two_hints_during_a_run_cause_one_more(
    house: House, repository: Repository, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is pushed while an older tip is being applied comes into force with the run that follows at once."""
    first = repository.push(small_policy(2))
    puller, runs = house.puller(source), 0

    def fetch_and_push(where: Source) -> Fetched | NotFetched:
        nonlocal runs
        runs += 1
        fetched = fetch(where)
        if runs == 1:
            repository.push(small_policy(3))
            for _ in range(2):
                with house.begin() as session:
                    hint(session, house.now())
        return fetched

    monkeypatch.setattr("keymgr.reconcile.pull.fetch", fetch_and_push)
    for _ in range(4):
        puller.beat()
        puller.finish(None)
    assert runs == 2
    commits = [commit for commit, *_ in house.revisions()]
    assert (len(commits), commits[0]) == (2, first)
    assert not house.is_due()


def test_failures_are_tried_again_later_and_later_but_at_once_on_a_hint(
    house: House, repository: Repository, source: Source, caplog: pytest.LogCaptureFixture
) -> None:
    repository.push({"rules/a.yaml": b"kind: ["})
    puller, waits = house.puller(source), []
    for _ in range(8):
        assert house.is_due()
        puller.run()
        with house.begin() as session:
            until = session.get_one(Lease, "policy-pull-due").until
        waits.append(int((until - house.time).total_seconds()))
        house.time = until
    assert waits == [120, 240, 480, 960, 1920, 3600, 3600, 3600]
    assert "keymgr policy status" in caplog.text
    with house.begin() as session:
        house.time += timedelta(seconds=1)
        hint(session, house.time)
    repository.push(small_policy(2))
    pulled = puller.run()
    assert pulled is not None
    assert pulled.changed


def test_a_surprise_is_logged_and_tried_again(
    house: House, source: Source, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def stumble(_source: Source) -> Fetched:
        raise RuntimeError("something odd")

    monkeypatch.setattr("keymgr.reconcile.pull.fetch", stumble)
    assert house.puller(source).run() is None
    assert "something odd" in caplog.text
    assert not house.is_due()
    with house.begin() as session:
        assert session.get(Lease, RUNNING) is None


def test_one_process_of_all_fetches(house: House, repository: Repository, forge: Forge, source: Source) -> None:
    repository.push(small_policy(2))
    with house.begin() as session:
        assert take(session, RUNNING, "another node", house.now(), 60)
    assert house.puller(source).run() is None
    assert forge.asked == 0


def test_a_slow_fetch_does_not_hold_up_the_clock(house: House, source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    going = threading.Event()

    def fetch_slowly(_source: Source) -> NotFetched:
        going.wait(30)
        return NotFetched("It took so long.")

    monkeypatch.setattr("keymgr.reconcile.pull.fetch", fetch_slowly)
    puller = house.puller(source)
    puller.beat()
    with house.begin() as session:
        hint(session, house.now())
    puller.beat()
    puller.finish(0.05)
    going.set()
    puller.finish(None)
    assert house.attempts() == [(None, 1)]
