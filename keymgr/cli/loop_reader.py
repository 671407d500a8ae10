"""Reads requests off a connection with llhttp in its strict mode, and stops at the first thing that is not right."""

from collections.abc import Callable
from typing import Protocol

from httptools import HttpParserCallbackError, HttpParserError, HttpParserUpgrade, HttpRequestParser

from keymgr.cli.loop_request import (
    BROKEN,
    HEAD_BYTES_MAX,
    HEAD_TOO_LARGE,
    MALFORMED,
    TARGET_BYTES_MAX,
    TARGET_TOO_LONG,
    Refusal,
    Request,
)

REQUEST_SECONDS = 30.0
_BYTES_PER_SECOND_MIN = 16 * 1024
_FRAME_BYTES_PER_BODY_BYTE = 8


class Taker(Protocol):
    """Who gets what a reader has read."""

    def take(self, request: Request) -> None:
        """Take a whole request."""

    def refuse(self, why: Refusal) -> None:
        """Take note that the connection goes no further."""

    def invite_body(self) -> None:
        """Answer a client that waits to be told that its body is welcome (RFC 9110 section 10.1.1)."""

    def went_wrong(self) -> None:
        """Log the error at hand: ours, not the client's."""


class Reader:
    """One connection's reader. `now` is the loop's clock in seconds; `deadline` is when the request must be here.

    It and its parser hold each other, so it must be closed, or only the garbage collector would part them.
    """

    def __init__(self, taker: Taker, now: Callable[[], float]) -> None:
        self._taker = taker
        self._now = now
        self._parser: HttpRequestParser | None = HttpRequestParser(self)
        self._received = 0
        self.request: Request | None = None
        self.deadline = 0.0

    def feed(self, data: bytes) -> bool:
        """Read what came; False when nothing more can be read."""
        if self._parser is None:
            return False
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade:
            # RFC 9110 section 7.8: an upgrade may be ignored. What follows is not HTTP, so it is not read.
            return False
        except HttpParserCallbackError:
            self._taker.went_wrong()
            self._taker.refuse(BROKEN)
        except HttpParserError:
            self._taker.refuse(MALFORMED)
        else:
            self._watch_growth()
        return self._parser is not None

    def close(self) -> None:
        """Stop; a request that is not whole is let go."""
        self._parser = None
        if self.request is not None:
            self.request.close()

    def on_message_begin(self) -> None:
        """Begin a request."""
        moment = self._now()
        self.request = Request(began_at=moment)
        self.deadline = moment + REQUEST_SECONDS
        self._received = 0

    def on_url(self, piece: bytes) -> None:
        """Take a piece of the address."""
        request = self.request
        if request is not None:
            request.target += piece
            self._check(TARGET_TOO_LONG if len(request.target) > TARGET_BYTES_MAX else None)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a field of the head; those of a trailer are nobody's business."""
        request = self.request
        if request is not None and not request.head_is_complete:
            self._check(request.add_field(name, value))

    def on_headers_complete(self) -> None:
        """Look at the head before the body comes."""
        request, parser = self.request, self._parser
        if request is None or parser is None:
            return
        request.method = parser.get_method().decode("ascii")
        request.version = parser.get_http_version()
        request.keep_alive = parser.should_keep_alive() and not parser.should_upgrade()
        request.head_is_complete = True
        refused = request.check_head()
        if parser.should_upgrade() and request.announces_body():
            refused = MALFORMED
        self._check(refused)
        if refused is None and request.version == "1.1" and request.field(b"expect") is not None:
            self._taker.invite_body()

    def on_body(self, piece: bytes) -> None:
        """Take a piece of the body; a client may take its time in proportion to what it sends."""
        request = self.request
        if request is not None:
            self.deadline += len(piece) / _BYTES_PER_SECOND_MIN
            self._check(request.add_body(piece))

    def on_message_complete(self) -> None:
        """Hand the request over."""
        request, self.request = self.request, None
        if request is not None:
            self._taker.take(request)

    def _check(self, refused: Refusal | None) -> None:
        if refused is not None:
            self._taker.refuse(refused)

    def _watch_growth(self) -> None:
        """Refuse a head without end, and chunks that are all frame and no content."""
        request = self.request
        if request is None:
            return
        if self._received - _FRAME_BYTES_PER_BODY_BYTE * request.body_bytes > HEAD_BYTES_MAX:
            self._taker.refuse(MALFORMED if request.head_is_complete else HEAD_TOO_LARGE)
