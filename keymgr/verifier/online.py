"""Verify by asking the keymgr server: limits are counted and a revocation counts from the very next call."""

import json
import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Final, Self
from urllib.parse import urlsplit

from keymgr.tokens.front import MAX_TOKEN_LENGTH
from keymgr.tokens.verdicts import VerdictCode
from keymgr.verifier.answer import read_answer
from keymgr.verifier.challenge import Bearer, bearer_token
from keymgr.verifier.key import Key
from keymgr.verifier.refusal import Refusal

_MAX_ANSWER_BYTES: Final = 65_536
_MAX_TIMEOUT_SECONDS: Final = 60
_CREDENTIAL: Final = re.compile("[!-~]+")
_log = logging.getLogger(__name__)


class NotConfiguredError(ValueError):
    """The verifier cannot be set up; the message names every setting that is missing or wrong."""


@dataclass(frozen=True, slots=True)
class Verifier:
    """Asks the server at `url` about keys for the service `audience`, presenting the service's own credential.

    Follows no redirect and uses no proxy: the credential and the keys go to `url` and nowhere else. Threads may share
    it. Raises NotConfiguredError for an address, credential, name or timeout that cannot be right.
    """

    url: str
    credential: str = field(repr=False)
    audience: str
    timeout_seconds: float = 2

    def __post_init__(self) -> None:
        if not _is_server(self.url):
            raise NotConfiguredError(f"{self.url!r} is not the address of a server; write https://keys.example.com.")
        if not _CREDENTIAL.fullmatch(self.credential):
            raise NotConfiguredError("The service's own credential must be one line of text without spaces.")
        if not self.audience:
            raise NotConfiguredError("The service's name in the policy is needed.")
        if not 0 < self.timeout_seconds <= _MAX_TIMEOUT_SECONDS:
            raise NotConfiguredError(f"The timeout must be more than 0 and at most {_MAX_TIMEOUT_SECONDS} seconds.")

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Set up from KEYMGR_VERIFIER_URL, _SERVICE, _CREDENTIAL (or _CREDENTIAL_FILE) and _TIMEOUT_SECONDS (2).

        Raises NotConfiguredError naming every variable that is missing: an unconfigured service must not start.
        """
        values = {name: environ.get(f"KEYMGR_VERIFIER_{name}", "") for name in ("URL", "SERVICE", "CREDENTIAL")}
        file = environ.get("KEYMGR_VERIFIER_CREDENTIAL_FILE", "")
        if file and not values["CREDENTIAL"]:
            values["CREDENTIAL"] = read_credential(Path(file))
        missing = [f"KEYMGR_VERIFIER_{name}" for name, value in values.items() if not value]
        if missing:
            raise NotConfiguredError(f"Set {', '.join(missing)}; see docs/tokens.md.")
        try:
            timeout_seconds = float(environ.get("KEYMGR_VERIFIER_TIMEOUT_SECONDS", "2"))
        except ValueError as error:
            raise NotConfiguredError("KEYMGR_VERIFIER_TIMEOUT_SECONDS must be a number of seconds.") from error
        return cls(values["URL"], values["CREDENTIAL"], values["SERVICE"], timeout_seconds)

    def verify_header(
        self,
        authorization: str | None,
        scopes: Iterable[str] = (),
        environment: str | None = None,
        address: str | None = None,
    ) -> Key | Refusal:
        """Do the same as `verify` for the whole Authorization header of a call, None when there is none."""
        presented = bearer_token(authorization)
        if isinstance(presented, Bearer):
            return self.verify(presented.token, scopes, environment, address)
        return Refusal(presented, "Send exactly one key, as Authorization: Bearer KEY.")

    def verify(
        self,
        token: str,
        scopes: Iterable[str] = (),
        environment: str | None = None,
        address: str | None = None,
    ) -> Key | Refusal:
        """Say whether a presented key may do this; a server that cannot be asked is a refusal with 503, never a yes.

        `scopes` are all needed. None for environment or address leaves them out of the question.
        """
        if len(token) > MAX_TOKEN_LENGTH:
            return Refusal(VerdictCode.KEY_INVALID, "This is not a key of ours; present it exactly as it was issued.")
        needed = frozenset(scopes)
        question = {"token": token, "scopes": sorted(needed), "environment": environment, "address": address}
        try:
            return read_answer(self._ask(question), service=self.audience, scopes=needed)
        except (OSError, HTTPException, ValueError, RecursionError) as error:
            _log.warning("%s could not verify a key: %s: %s", self.url, type(error).__name__, error)
            return Refusal(
                VerdictCode.VERIFIER_UNAVAILABLE,
                "It cannot be decided now whether the key is good; try again soon.",
                needed,
            )

    def _ask(self, question: Mapping[str, object]) -> bytes:
        """Send one question; raises ValueError unless the answer is a 200 of a reasonable size."""
        parts = urlsplit(self.url)
        connect = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        connection = connect(parts.hostname or "", parts.port, timeout=self.timeout_seconds)
        headers = {"Authorization": f"Bearer {self.credential}", "Content-Type": "application/json"}
        try:
            connection.request("POST", parts.path.rstrip("/") + "/api/v1/verify", json.dumps(question), headers)
            response = connection.getresponse()
            raw = response.read(_MAX_ANSWER_BYTES + 1)
        finally:
            connection.close()
        if response.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            raise ValueError("it does not accept this service's own credential; make a new one and configure it")
        if response.status != HTTPStatus.OK:
            raise ValueError(f"it answered with status {response.status}")
        if len(raw) > _MAX_ANSWER_BYTES:
            raise ValueError("its answer is too long")
        return raw


def read_credential(file: Path) -> str:
    """Read a service credential from a file; raises NotConfiguredError when that cannot be done."""
    try:
        return file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise NotConfiguredError(f"The credential file {file} cannot be read: {error}.") from error


def _is_server(url: str) -> bool:
    try:
        parts = urlsplit(url)
        usable = parts.port is None or parts.port > 0
    except ValueError:
        return False
    plain = not (parts.query or parts.fragment or "@" in parts.netloc)
    return usable and plain and parts.scheme in {"http", "https"} and bool(parts.hostname)
