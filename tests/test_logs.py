"""Log lines: one for each event, whatever a client put into it."""

import json
import logging
from collections.abc import Iterator

import pytest

from keymgr.config.logs import speak


@pytest.fixture(autouse=True)
def quiet_afterwards() -> Iterator[None]:
    root = logging.getLogger()
    before = list(root.handlers)
    yield
    root.handlers[:] = before


def test_nobody_can_forge_a_second_line(capsys: pytest.CaptureFixture[str]) -> None:
    speak("text")
    logging.getLogger("keymgr.test").warning("name: %s", "x\n2026-01-01 INFO keymgr: all is well\x1b[2K")
    (line,) = capsys.readouterr().err.splitlines()
    assert "WARNING keymgr.test: name: x\\n2026-01-01" in line
    assert "\x1b" not in line


def test_json_has_the_same_parts(capsys: pytest.CaptureFixture[str]) -> None:
    speak("json")
    try:
        int("nothing there")
    except ValueError:
        logging.getLogger("keymgr.test").exception("oh")
    (line,) = capsys.readouterr().err.splitlines()
    event = json.loads(line)
    assert (event["level"], event["logger"], event["message"]) == ("error", "keymgr.test", "oh")
    assert "nothing there" in event["traceback"]


def test_speaking_twice_does_not_say_everything_twice(capsys: pytest.CaptureFixture[str]) -> None:
    speak("text")
    speak("text")
    logging.getLogger("keymgr.test").info("once")
    assert len(capsys.readouterr().err.splitlines()) == 1
