"""A document as fields with dotted paths, so that two versions of it can be compared by what they mean.

Lists count as sets and entries with a name are found by it; only the steps of an approval have an order.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from keymgr.policy.digest import canonical
from keymgr.policy.documents import Document, typed
from keymgr.policy.words import Source

_NOWHERE = object()
_IDENTITY = frozenset({"metadata.name", "apiVersion", "kind"})


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field with its value before and after as they are written; None where it is not written.

    `source` is where the value after stands, or what surrounds it. `via` names the object, such as `PolicySet/acme`,
    whose change reaches this field although the field itself was not touched.
    """

    path: str
    before: Any
    after: Any
    source: Source
    via: str | None = None


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of one document: `meant` by value, for comparing; `written` as they stand in the file."""

    document: Document
    meant: Mapping[str, Any]
    written: Mapping[str, Any]
    places: Mapping[str, str]


def fields_of(document: Document) -> Fields:
    """Return the fields of a document."""
    meant = {path: value for path, value, _ in _flat(canonical(typed(document)), "", "") if path not in _IDENTITY}
    written: dict[str, Any] = {}
    places: dict[str, str] = {}
    for path, value, place in _flat(document.data, "", ""):
        written[path], places[path] = value, place
    return Fields(document, meant, written, places)


def changes_between(before: Fields, after: Fields) -> tuple[FieldChange, ...]:
    """Return every field that means something else now, in the order of the file."""
    paths = (*after.meant, *(path for path in before.meant if path not in after.meant))
    found = (
        _change(path, before, after)
        for path in paths
        if before.meant.get(path, _NOWHERE) != after.meant.get(path, _NOWHERE)
    )
    return tuple(sorted((each for each in found if each), key=lambda each: (each.source, each.path)))


def _change(path: str, before: Fields, after: Fields) -> FieldChange | None:
    old, new = _shown(path, before), _shown(path, after)
    if path not in before.written and path not in after.written:
        # A whole part came or went; what is written of it has a line of its own.
        return None
    return FieldChange(path, old, new, place_of(path, after))


def _shown(path: str, fields: Fields) -> Any:  # noqa: ANN401 plain data for JSON.
    """Return the value as it is written; a default that counts although nothing is written is shown as well."""
    return fields.written.get(path, fields.meant.get(path) or None)


def place_of(path: str, fields: Fields) -> Source:
    """Return where the field stands, or the nearest thing around it."""
    parts, marks = path.split("."), fields.document.marks
    around = (".".join(parts[:end]) for end in range(len(parts), 0, -1))
    places = (fields.places.get(each, each) for each in around)
    return next((marks[place] for place in places if place in marks), fields.document.source)


def _flat(value: Any, path: str, place: str) -> Iterator[tuple[str, Any, str]]:  # noqa: ANN401 plain data.
    """Yield path, value and place of each leaf; the place counts entries where the path names them."""
    if isinstance(value, dict) and value:
        for key, each in value.items():
            yield from _flat(each, _dotted(path, key), _dotted(place, key))
    elif isinstance(value, list) and value and all(isinstance(each, dict) and "name" in each for each in value):
        for number, each in enumerate(value):
            rest = {key: part for key, part in each.items() if key != "name"}
            yield from _flat(rest or True, _dotted(path, each["name"]), _dotted(place, number))
        if path.endswith("steps"):
            yield f"{path}.order", [each["name"] for each in value], place
    elif isinstance(value, list):
        yield path, value if path.endswith("order") else sorted(value, key=_json), place
    else:
        yield path, value, place


def _dotted(path: str, part: str | int) -> str:
    return f"{path}.{part}" if path else str(part)


def _json(value: Any) -> str:  # noqa: ANN401 plain data for JSON.
    return json.dumps(value, sort_keys=True)
