"""What `keymgr serve` does with its children, tried on children that tell what happens to them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

CHILD = """
import signal, sys, time
name, journal = sys.argv[1:]
def tell(text):
    with open(journal, "a") as stream:
        stream.write(f"{name} {text}\\n")
def leave(number, frame):
    tell(signal.Signals(number).name)
    if number == signal.SIGQUIT or name != "server" or "stubborn" not in journal:
        sys.exit(0)
for number in (signal.SIGTERM, signal.SIGQUIT):
    signal.signal(number, leave)
signal.signal(signal.SIGHUP, lambda *_: tell("SIGHUP"))
tell("began")
if name == "short":
    sys.exit(3)
time.sleep(60)
"""
PARENT = """
import os, sys
from keymgr.cli.supervisor import Supervisor
from keymgr.config.logs import speak
speak("text")
folder, companion, may_reload, journal = sys.argv[1:]
child = f"{folder}/child.py"
server = [sys.executable, child, "server", journal]
companions = {"clock": [sys.executable, child, companion, journal]}
sys.exit(Supervisor(server, companions, os.environ).run(may_reload=lambda: may_reload == "yes"))
"""


class Run:
    def __init__(self, journal: Path, process: subprocess.Popen[str]) -> None:
        self.process = process
        self._journal = journal

    def lines(self) -> list[str]:
        return self._journal.read_text().splitlines() if self._journal.exists() else []

    def wait_for(self, *wanted: str) -> None:
        until(lambda: all(self.lines().count(line) >= wanted.count(line) for line in wanted), lambda: str(self.lines()))


def until(happened: Callable[[], bool], tell: Callable[[], str]) -> None:
    deadline = time.monotonic() + 20
    while not happened():
        assert time.monotonic() < deadline, tell()
        time.sleep(0.02)


@contextmanager
def running(folder: Path, companion: str = "clock", may_reload: str = "yes", stubborn: str = "") -> Iterator[Run]:
    journal = folder / ("journal of stubborn children" if stubborn else "journal")
    (folder / "child.py").write_text(CHILD)
    command = [sys.executable, "-c", PARENT, str(folder), companion, may_reload, str(journal)]
    process = subprocess.Popen(
        command, env=os.environ | {"PYTHONPATH": str(Path.cwd())}, stderr=subprocess.PIPE, text=True
    )
    run = Run(journal, process)
    try:
        run.wait_for("server began", f"{companion} began")
        yield run
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_reaches_both_gently_and_the_servers_exit_code_is_ours(tmp_path: Path, number: signal.Signals) -> None:
    with running(tmp_path) as run:
        run.process.send_signal(number)
        assert run.process.wait(20) == 0
    assert sorted(run.lines()[2:]) == ["clock SIGTERM", "server SIGTERM"]


def test_a_stop_that_arrives_twice_is_still_gentle_but_who_insists_is_heard(tmp_path: Path) -> None:
    with running(tmp_path, companion="clock", stubborn="yes") as run:
        for _ in range(2):
            run.process.send_signal(signal.SIGTERM)
        run.wait_for("server SIGTERM")
        time.sleep(1.2)
        assert "server SIGQUIT" not in run.lines()
        run.process.send_signal(signal.SIGINT)
        run.wait_for("server SIGQUIT")
        assert run.process.wait(20) == 0


def test_a_reload_reaches_the_server_and_starts_a_new_clock(tmp_path: Path) -> None:
    with running(tmp_path) as run:
        run.process.send_signal(signal.SIGHUP)
        run.wait_for("server SIGHUP", "clock SIGTERM", "clock began", "clock began")
        assert run.process.poll() is None


def test_a_reload_into_bad_settings_does_not_happen(tmp_path: Path) -> None:
    with running(tmp_path, may_reload="no") as run:
        run.process.send_signal(signal.SIGHUP)
        run.process.send_signal(signal.SIGTERM)
        assert run.process.wait(20) == 0
    assert "server SIGHUP" not in run.lines()


def test_a_dead_clock_starts_again_after_a_pause_and_the_server_goes_on(tmp_path: Path) -> None:
    with running(tmp_path, companion="short") as run:
        run.wait_for("short began", "short began")
        assert run.process.poll() is None
        run.process.send_signal(signal.SIGTERM)
        assert run.process.stderr is not None
        said = run.process.communicate(timeout=20)[1]
    assert "The clock ended with 3; it starts again in 1 s." in said


def test_when_the_server_dies_the_clock_is_stopped_and_its_exit_code_is_ours(tmp_path: Path) -> None:
    with running(tmp_path) as run:
        parent = run.process.pid
        for child in map(int, Path(f"/proc/{parent}/task/{parent}/children").read_text().split()):
            if "server" in Path(f"/proc/{child}/cmdline").read_text().split("\0"):
                os.kill(child, signal.SIGKILL)
        assert run.process.wait(20) == 128 + signal.SIGKILL
    assert "clock SIGTERM" in run.lines()
