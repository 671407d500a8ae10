"""The identity of what a policy decides: one for all ways of writing it down, another for anything that counts."""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from keymgr.policy.documents import AnyDocument
from keymgr.policy.documents_base import API_VERSION

_WORDS = frozenset({"annotations", "description", "labels", "title"})
KINDS_LEFT_OUT = frozenset({"ChangeAck", "PolicyTest"})
_ORDERED = frozenset({"steps"})


def digest(documents: Iterable[AnyDocument]) -> str:
    """Return `sha256:…` over the documents as a set.

    Left out: files and lines, comments, titles, descriptions, labels and annotations, tests and acknowledgements.
    Lists count as sets, except the steps of an approval policy. Lengths of time, times and networks count by value.
    """
    counted = [canonical(document) for document in documents if document.kind not in KINDS_LEFT_OUT]
    text = _json([API_VERSION, *sorted(counted, key=_json)])
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def canonical(document: AnyDocument) -> Any:  # noqa: ANN401 plain data for JSON.
    """Return one document as it counts: by value, without its words."""
    return _plain(document.model_dump(mode="json", by_alias=True))


def _plain(value: Any, *, ordered: bool = False) -> Any:  # noqa: ANN401 plain data for JSON.
    if isinstance(value, dict):
        return {key: _plain(each, ordered=key in _ORDERED) for key, each in value.items() if key not in _WORDS}
    if isinstance(value, list):
        entries = [_plain(each) for each in value]
        return entries if ordered else sorted(entries, key=_json)
    return value


def _json(value: Any) -> str:  # noqa: ANN401 plain data for JSON.
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
