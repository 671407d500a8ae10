"""The way round WSGI: what an application offers for it, and how the event-loop worker asks."""

from collections.abc import Callable, Sequence
from typing import Protocol

from keymgr.cli.loop_request import Request

_SMALL_BYTES = 4096


class Quick(Protocol):
    """What an application offers for calls that need no WSGI; it stands in its `extensions` as `keymgr.quick`.

    `paths` are the exact addresses it answers. With `blocks` it may wait for a database and is asked in a thread.
    """

    paths: frozenset[str]
    blocks: bool

    def ask(
        self,
        method: str,
        path: str,
        query: str,
        *,
        peer: str,
        field: Callable[[str], str | None],
        body: bytes,
    ) -> tuple[int, Sequence[tuple[str, str]], bytes]:
        """Answer with status, header fields and body."""


class Lane:
    """The application's quick answers, asked with requests as we read them."""

    def __init__(self, quick: Quick) -> None:
        self._quick = quick
        self._targets = frozenset(path.encode("ascii") for path in quick.paths)
        self.blocks = quick.blocks

    def takes(self, request: Request) -> bool:
        """Tell whether this is answered here: an exact address, spelt plainly, and a small body."""
        return request.target.partition(b"?")[0] in self._targets and request.body_bytes <= _SMALL_BYTES

    def answer(self, request: Request, peer: str) -> tuple[int, Sequence[tuple[str, str]], bytes]:
        """Ask the application."""
        path, _, query = request.target.partition(b"?")
        return self._quick.ask(
            request.method,
            path.decode("ascii"),
            query.decode("latin-1"),
            peer=peer,
            field=lambda name: request.text(name.encode("ascii")),
            body=request.small_body(),
        )
