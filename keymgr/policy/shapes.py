"""Checks one document against the model of its kind, and hands each fault on with its place."""

import json
from collections.abc import Collection
from typing import Any

from pydantic import ValidationError

from keymgr.policy.documents import KINDS
from keymgr.policy.documents_base import API_VERSION
from keymgr.policy.faults import Fault, fault_of
from keymgr.policy.plain_data import Places, dotted
from keymgr.policy.problems import Problem, Problems, at, nearest, shown


def shape_problems(data: Any, places: Places) -> Problems:  # noqa: ANN401 anything may stand in a document.
    """Return everything that is wrong with the shape of one document; nothing when the model of its kind accepts it."""
    if not isinstance(data, dict):
        message = "this document is not a mapping"
        return (at(places.start, "E201", message, "begin it with apiVersion, kind, metadata and spec"),)
    frame = (
        *_word(data, places, "apiVersion", "E202", (API_VERSION,)),
        *_word(data, places, "kind", "E203", tuple(KINDS)),
    )
    kind = data.get("kind")
    if frame or not isinstance(kind, str) or kind not in KINDS:
        return frame
    try:
        KINDS[kind].model_validate_json(json.dumps(data))
    except ValidationError as error:
        # A list all of whose entries are wrong counts as too short; the entries' own faults say it better.
        errors = (each for each in error.errors(include_url=False) if each["type"] != "too_short" or not each["input"])
        faults = (fault_of(KINDS[kind], each) for each in errors)
        return tuple(_placed(fault, places) for fault in faults if not _told(fault, places))
    return ()


def _word(data: dict[str, Any], places: Places, field: str, code: str, valid: Collection[str]) -> Problems:
    found = data.get(field)
    if found in valid or field in places.flawed:
        return ()
    if field in data:
        place, message = places.of_value((field,)), f'there is no {field} "{shown(found)}"'
        return (at(place, code, message, nearest(str(found), valid)),)
    if "" in places.flawed:
        return ()
    return (
        at(places.start, "E205", f'the document has no "{field}"', f"add it, such as {field}: {next(iter(valid))}"),
    )


def _told(fault: Fault, places: Places) -> bool:
    """Tell whether the fault only follows from a problem that the reader has already told."""
    return dotted(fault.location) in places.flawed or (
        fault.is_missing and dotted(fault.location[:-1]) in places.flawed
    )


def _placed(fault: Fault, places: Places) -> Problem:
    source = places.of_key(fault.location) if fault.at_key else places.of_value(fault.location)
    return at(source, fault.code, fault.message, fault.remedy)
