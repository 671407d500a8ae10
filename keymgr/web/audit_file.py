"""The audit trail as a file: line by line, so that a million events need no more memory than a thousand."""

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from enum import StrEnum

from sqlalchemy.orm import Session

from keymgr.store.audit_names import Names, names_in
from keymgr.store.audit_reading import Entry, Search, find_entries
from keymgr.web.audit_words import sentence_of
from keymgr.web.spreadsheet import line

BATCH = 1_000
_COLUMNS = (
    "time",
    "entry",
    "sentence",
    "outcome",
    "actor",
    "action",
    "object kind",
    "object id",
    "request id",
    "address",
    "detail",
)


class FileKind(StrEnum):
    """Comma-separated for spreadsheets, or one JSON object a line for programs."""

    CSV = "csv"
    NDJSON = "ndjson"


def file_lines(begin: Callable[[], Session], search: Search, *, below: int, kind: FileKind) -> Iterator[str]:
    """Yield the file of everything that matches with an id under `below`, newest first, in pieces.

    `begin` opens a session for each piece, which is over before the piece is sent: nobody's slow line holds one.
    """
    if kind is FileKind.CSV:
        yield line(_COLUMNS)
    older: int | None = below
    while older is not None:
        with begin() as session:
            found = find_entries(session, search, before=older, most=BATCH)
            names = names_in(session, found.entries) if kind is FileKind.CSV else None
        older = found.older
        yield "".join(_as_csv(entry, names) if names else _as_json(entry) for entry in found.entries)


def _as_csv(entry: Entry, names: Names) -> str:
    return line(
        (
            _moment(entry.at),
            str(entry.id),
            sentence_of(entry, names),
            entry.outcome,
            entry.actor,
            entry.action,
            entry.object_kind,
            entry.object_id,
            entry.request_id or "",
            entry.address or "",
            json.dumps(entry.detail, ensure_ascii=False),
        ),
    )


def _as_json(entry: Entry) -> str:
    told = {
        "id": entry.id,
        "at": _moment(entry.at),
        "actor": entry.actor,
        "action": entry.action,
        "object_kind": entry.object_kind,
        "object_id": entry.object_id,
        "outcome": entry.outcome,
        "detail": entry.detail,
        "request_id": entry.request_id,
        "address": entry.address,
    }
    return json.dumps(told) + "\n"


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S.%fZ}"
