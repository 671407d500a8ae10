"""An installation with a database for the commands of policy control, and answers in both formats."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session

from keymgr.cli import commands
from keymgr.store.engine import connect
from keymgr.store.policies import PolicyAttempt


class Installation:
    """One database, commands that use it, and what they said last."""

    def __init__(self, root: Path, url: str, capsys: pytest.CaptureFixture[str]) -> None:
        self.root, self.url, self._capsys = root, url, capsys
        self.out = self.err = ""

    def run(self, *arguments: object) -> int:
        """Run a policy command; its exit code."""
        self._capsys.readouterr()
        code = commands.run(["policy", *map(str, arguments)])
        self.out, self.err = self._capsys.readouterr()
        return code

    def json(self, *arguments: object) -> tuple[int, dict[str, Any]]:
        """Run it for a program: whatever comes of it, stdout is one JSON object that has the exit code."""
        code = self.run(*arguments, "--format", "json")
        answer: dict[str, Any] = json.loads(self.out)
        assert answer["format_version"] == "1.0"
        assert answer["command"] == arguments[0]
        assert (answer["exit_code"], answer["ok"]) == (code, code == 0)
        return code, answer

    def both(self, *arguments: object) -> tuple[int, dict[str, Any]]:
        """Run it for a program and then for people, where running it twice comes to the same."""
        code, answer = self.json(*arguments)
        assert self.run(*arguments) == code, (self.out, self.err)
        assert self.out
        return code, answer

    @contextmanager
    def session(self) -> Iterator[Session]:
        engine = connect(self.url)
        with Session(engine) as session, session.begin():
            yield session
        engine.dispose()

    def attempts(self) -> list[tuple[int | None, str | None]]:
        with self.session() as session:
            rows = session.query(PolicyAttempt).order_by(PolicyAttempt.id)
            return [(row.result_code, row.commit) for row in rows]


def install(root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Installation:
    url, env_file = f"sqlite:///{root}/data/keymgr.db", root / "keymgr.env"
    assert commands.run(["init", "--env-file", str(env_file)]) == 0
    monkeypatch.setenv("KEYMGR_ENV_FILE", str(env_file))
    monkeypatch.setenv("KEYMGR_DATABASE_URL", url)
    assert commands.run(["database", "upgrade"]) == 0
    return Installation(root, url, capsys)
