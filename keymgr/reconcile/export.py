"""A stored policy as policy files again: a folder for each kind, a file for each object, with where it came from."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from keymgr.policy.documents import Document
from keymgr.policy.layout import canonical
from keymgr.policy.load import Loaded, load
from keymgr.policy.scalars import AmbiguousError, interpret

_FOLDERS: Mapping[str, str] = MappingProxyType(
    {
        "Role": "roles",
        "Team": "teams",
        "Service": "services",
        "ScopeBundle": "bundles",
        "ApprovalPolicy": "approvals",
        "IssuanceRule": "rules",
        "Guardrail": "guardrails",
        "Waiver": "waivers",
        "ChangeAck": "acks",
        "PolicyTest": "tests",
    }
)
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./-]*")
_FLOW_LENGTH = 100


class ExportError(Exception):
    """The files would not say what is stored; a fault of this program, and nothing was written."""


def export_files(documents: Iterable[Document], origin: str) -> dict[str, bytes]:
    """Return the files that make these documents again, by path; `origin` is told at the top of each.

    They are read back and compared before they are returned; raises `ExportError` where they differ.
    """
    documents = tuple(documents)
    files = {path_of(each): _file(each, origin) for each in documents}
    loaded = load(files)
    if not isinstance(loaded, Loaded) or _meaning(loaded.documents) != _meaning(documents):
        raise ExportError("The exported files would not say what is stored; nothing was written.")
    return files


def path_of(document: Document) -> str:
    """Return the path of an object's own file."""
    folder = _FOLDERS.get(document.kind)
    return "policyset.yaml" if folder is None else f"{folder}/{document.name}.yaml"


def _meaning(documents: Iterable[Document]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(each.kind, each.name): each.data for each in documents}


def _file(document: Document, origin: str) -> bytes:
    place = f"{document.source.file}, line {document.source.line}"
    lines = [f"# Exported from {origin}.", f"# Written in {place}.", *_mapping(document.data, "")]
    return canonical("".join(f"{line}\n" for line in lines).encode())


def _mapping(value: Mapping[str, Any], indent: str) -> Iterator[str]:
    for key, each in value.items():
        yield from _entry(f"{indent}{_text(key)}:", each, indent)


def _entry(head: str, value: Any, indent: str) -> Iterator[str]:  # noqa: ANN401 plain data.
    """Write a value behind its key: on the same line where it fits, else on lines of its own."""
    flow = _flow(value)
    if flow is not None and len(head) + len(flow) < _FLOW_LENGTH:
        yield f"{head} {flow}"
    elif isinstance(value, dict):
        yield head
        yield from _mapping(value, f"{indent}  ")
    elif isinstance(value, list):
        yield head
        for each in value:
            yield from _item(each, f"{indent}  ")
    else:
        yield f"{head} {flow}"


def _item(value: Any, indent: str) -> Iterator[str]:  # noqa: ANN401 plain data.
    """Write one entry of a list behind its dash."""
    if not isinstance(value, dict) or not value:
        yield from _entry(f"{indent}-", value, indent)
        return
    first, *rest = _mapping(value, f"{indent}  ")
    yield f"{indent}- {first.lstrip(' ')}"
    yield from rest


def _flow(value: Any) -> str | None:  # noqa: ANN401 plain data.
    """Return a scalar, or a list of scalars, as it stands on one line; None for anything with parts of its own."""
    if isinstance(value, dict):
        return None if value else "{}"
    if isinstance(value, list):
        parts = [None if isinstance(each, dict | list) else _flow(each) for each in value]
        return None if None in parts else f"[{', '.join(str(each) for each in parts)}]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else _text(str(value))


def _text(text: str) -> str:
    """Return a text without quotes where every reader takes it for a text, else in double quotes."""
    if _PLAIN.fullmatch(text) and _is_text(text):
        return text
    return json.dumps(text, ensure_ascii=False)


def _is_text(text: str) -> bool:
    try:
        return isinstance(interpret(text), str)
    except AmbiguousError:
        return False
