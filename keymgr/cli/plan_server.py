"""Asks a running keymgr for a plan: files go there as data, the report with live keys comes back."""

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import urlsplit

import click

STALE = 7
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_SECONDS = 60
_ANSWER_BYTES_MAX = 64 * 1024 * 1024
_TRIES = 4
_WAIT_SECONDS_MAX = 20
_AGAIN = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})


class NotPlanned(click.ClickException):
    """The server gave no plan; the sentence says why and what to do."""


class BaseHasMoved(NotPlanned):
    """Another policy is in force by now than the one that was named."""

    exit_code = STALE


@dataclass(frozen=True, slots=True)
class _Said:
    """What a server answered: status, the seconds it asks to wait, and the JSON object, if it is one."""

    status: int
    wait: int | None
    answer: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Server:
    """Where to ask, and what to present there; raises a usage error for an address that cannot be right."""

    url: str
    credential: str = field(repr=False)

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            usable = parts.port is None or parts.port > 0
        except ValueError:
            raise click.UsageError(f"--server {self.url} is not an address; write https://keys.example.com.") from None
        if not usable or parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
            raise click.UsageError(f"--server {self.url} is not an address; write https://keys.example.com.")
        if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
            raise click.UsageError(
                "--server would send the credential in the clear; write https:// instead of http://."
            )

    def ask(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """Return the plan as the server tells it; waits and asks again where the server says so."""
        body = json.dumps(question).encode()
        said = self._send(body)
        for _ in range(_TRIES - 1):
            if said.status not in _AGAIN or said.wait is None or said.wait > _WAIT_SECONDS_MAX:
                break
            click.echo(f"keymgr: {self.url} asks to wait {said.wait} seconds.", err=True)
            time.sleep(said.wait)
            said = self._send(body)
        if said.status == HTTPStatus.OK and said.answer is not None:
            return said.answer
        detail = (said.answer or {}).get("detail") or "it does not answer as keymgr does."
        refusal = BaseHasMoved if said.status == HTTPStatus.CONFLICT else NotPlanned
        raise refusal(f"{self.url} gave no plan ({said.status}): {detail}{_places(said.answer)}")

    def _send(self, body: bytes) -> _Said:
        """Send once; follows no redirect and uses no proxy, so that the credential goes nowhere else."""
        parts = urlsplit(self.url)
        connect = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        connection = connect(parts.hostname or "", parts.port, timeout=_SECONDS)
        headers = {"Authorization": f"Bearer {self.credential}", "Content-Type": "application/json"}
        try:
            connection.request("POST", parts.path.rstrip("/") + "/api/v1/policy/plan", body, headers)
            response = connection.getresponse()
            return _Said(response.status, _wait(response), _object(response.read(_ANSWER_BYTES_MAX + 1)))
        except (OSError, HTTPException) as error:
            raise NotPlanned(f"{self.url} cannot be asked: {str(error) or type(error).__name__}.") from error
        finally:
            connection.close()


def read_credential(file: Path) -> str:
    """Read the plan credential out of a file."""
    try:
        text = file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise NotPlanned(f"The credential file {file} cannot be read: {error}.") from error
    if not text.startswith("kmp_") or not text.replace("_", "").isalnum():
        raise NotPlanned(f"{file} holds no plan credential (kmp_…); `keymgr policy credential create` makes one.")
    return text


def plain_folder(folder: str) -> str:
    """Return the folder as reports name it: relative to where the command runs, nothing where that goes outside."""
    path = PurePath(os.path.relpath(folder)).as_posix()
    return "" if path == "." or path.startswith("..") else path


def _wait(response: HTTPResponse) -> int | None:
    after = response.headers.get("Retry-After", "")
    return int(after) if after.isascii() and after.isdecimal() and len(after) < 6 else None  # noqa: PLR2004 - a day has five digits.


def _object(raw: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _places(answer: dict[str, Any] | None) -> str:
    faults = (answer or {}).get("errors") or []
    return "".join(f"\n  {fault.get('pointer')}: {fault.get('detail')}" for fault in faults if isinstance(fault, dict))
