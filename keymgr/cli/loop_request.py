"""An HTTP request as the event-loop worker reads it: whole, bounded, and refused where two readers might differ."""

from dataclasses import dataclass, field
from tempfile import SpooledTemporaryFile
from urllib.parse import unquote_to_bytes

from httptools import HttpParserError, parse_url

TARGET_BYTES_MAX = 8190
FIELDS_MAX = 64
FIELD_BYTES_MAX = 16_380
HEAD_BYTES_MAX = 64 * 1024
BODY_BYTES_MAX = 8 * 1024 * 1024
_IN_MEMORY_BYTES = 64 * 1024
_ALONE = frozenset({b"host", b"content-length", b"transfer-encoding", b"content-type", b"expect"})


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is answered without being looked at any further; the connection is closed with it."""

    status: int
    sentence: str


BROKEN = Refusal(500, "The server had a problem with the request. It is in its log.")
MALFORMED = Refusal(400, "The request is not well-formed HTTP/1.1.")
HEAD_TOO_LARGE = Refusal(431, "The request has too many or too large header fields.")
TARGET_TOO_LONG = Refusal(414, "The address of the request is too long.")
BODY_TOO_LARGE = Refusal(413, f"The body may have at most {BODY_BYTES_MAX} bytes.")
UNKNOWN_CODING = Refusal(501, "Only the transfer coding chunked is known here.")
UNKNOWN_EXPECTATION = Refusal(417, "Only the expectation 100-continue can be met.")
UNKNOWN_VERSION = Refusal(505, "Only HTTP/1.0 and HTTP/1.1 are known here.")
TOO_SLOW = Refusal(408, "The request did not arrive in time.")
TOO_MANY = Refusal(503, "Too many connections are open; try again in a moment.")


@dataclass(slots=True)
class Request:
    """One request. Names of header fields are in lower case; a body beyond 64 KiB is on disk.

    `began_at` is the loop's time, in seconds, when its first byte came.
    """

    target: bytes = b""
    method: str = ""
    version: str = "1.1"
    keep_alive: bool = True
    fields: list[tuple[bytes, bytes]] = field(default_factory=list)
    body_bytes: int = 0
    head_is_complete: bool = False
    began_at: float = 0.0
    _small: list[bytes] = field(default_factory=list)
    _large: SpooledTemporaryFile[bytes] | None = None

    def add_field(self, name: bytes, value: bytes) -> Refusal | None:
        """Take a header field; an underscore in a name could pass for a hyphen later, so there is none."""
        if len(self.fields) >= FIELDS_MAX or len(name) + len(value) > FIELD_BYTES_MAX:
            return HEAD_TOO_LARGE
        if b"_" in name:
            return MALFORMED
        self.fields.append((name.lower(), value))
        return None

    def check_head(self) -> Refusal | None:
        """Look at what must hold before a body is read (RFC 9112 sections 3.2, 6.1 and 6.3)."""
        if self.version not in {"1.0", "1.1"}:
            return UNKNOWN_VERSION
        names = [name for name, _ in self.fields]
        is_double = any(names.count(name) > 1 for name in _ALONE.intersection(names))
        if is_double or (self.version == "1.1" and b"host" not in names):
            return MALFORMED
        return self._check_body()

    def _check_body(self) -> Refusal | None:
        coding, expected = self.field(b"transfer-encoding"), self.field(b"expect")
        if coding is not None and self.version != "1.1":
            return MALFORMED
        if coding is not None and coding.strip().lower() != b"chunked":
            return UNKNOWN_CODING
        if int(self.field(b"content-length") or b"0") > BODY_BYTES_MAX:
            return BODY_TOO_LARGE
        if expected is not None and expected.strip().lower() != b"100-continue":
            return UNKNOWN_EXPECTATION
        return None

    def announces_body(self) -> bool:
        """Tell whether a body should follow the head."""
        return self.field(b"transfer-encoding") is not None or int(self.field(b"content-length") or b"0") > 0

    def add_body(self, piece: bytes) -> Refusal | None:
        """Take a piece of the body."""
        self.body_bytes += len(piece)
        if self.body_bytes > BODY_BYTES_MAX:
            return BODY_TOO_LARGE
        if self._large is None and self.body_bytes > _IN_MEMORY_BYTES:
            self._large = SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES)  # noqa: SIM115 - closed with the request.
            self._large.writelines(self._small)
            self._small.clear()
        if self._large is None:
            self._small.append(piece)
        else:
            self._large.write(piece)
        return None

    def field(self, name: bytes) -> bytes | None:
        """Return a field's value, several joined by commas (RFC 9110 section 5.3); None when there is none."""
        found = [value for known, value in self.fields if known == name]
        return b",".join(found) if found else None

    def text(self, name: bytes) -> str | None:
        """Return a field's value as text, each byte one character."""
        value = self.field(name)
        return None if value is None else value.decode("latin-1")

    def split_target(self) -> tuple[str, str] | None:
        """Return path (percent-decoded, each byte one character) and query; None when the target is no address."""
        if self.target == b"*":
            return "*", ""
        path, _, query = self.target.partition(b"?")
        if not path.startswith(b"/"):
            try:
                url = parse_url(self.target)
            except HttpParserError:
                return None
            path, query = url.path or b"/", url.query or b""
        return unquote_to_bytes(path).decode("latin-1"), query.decode("latin-1")

    def small_body(self) -> bytes:
        """Return the body of a request that is kept in memory."""
        return b"".join(self._small)

    def open_body(self) -> SpooledTemporaryFile[bytes]:
        """Return the body as a file at its beginning."""
        body = self._large
        if body is None:
            body = self._large = SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES)  # noqa: SIM115 - closed with the request.
            body.writelines(self._small)
        body.seek(0)
        return body

    def close(self) -> None:
        """Let go of what is on disk."""
        if self._large is not None:
            self._large.close()
