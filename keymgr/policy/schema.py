"""JSON Schemas for editors, made from the models that load policy: what an editor accepts is what we describe.

Kept to the part of draft-07 that editors know. A schema is never stricter than the loader; `validate` has the last word
about what a schema cannot say.
"""

from collections.abc import Mapping
from typing import Any

from pydantic.json_schema import models_json_schema

from keymgr.policy.documents import KINDS
from keymgr.policy.documents_base import API_VERSION
from keymgr.policy.schema_facts import condition_parts
from keymgr.policy.schema_names import Names, with_names
from keymgr.policy.schema_subset import subset

DRAFT = "http://json-schema.org/draft-07/schema#"
COMBINED = "policy"
Schema = dict[str, Any]


def schema_of(kind: str, names: Names | None = None) -> Schema:
    """Return the schema of one kind; with `names` the names of a set are the only ones accepted."""
    definitions = _definitions(names)
    document = KINDS[kind].__name__
    needed = _reachable(document, definitions)
    parts = {name: definitions[name] for name in sorted(needed - {document})}
    return {"$schema": DRAFT, "title": f"{kind} ({API_VERSION})", **definitions[document], "definitions": parts}


def combined_schema(names: Names | None = None) -> Schema:
    """Return one schema for files of any kind: if the kind is X, then what X asks for."""
    frame = {
        "apiVersion": {"description": "The version of this schema.", "const": API_VERSION},
        "kind": {"description": "What the document declares.", "enum": list(KINDS)},
    }
    return {
        "$schema": DRAFT,
        "title": f"Any policy document ({API_VERSION})",
        "description": "A document of any kind.",
        "type": "object",
        "required": ["apiVersion", "kind"],
        "properties": frame,
        "allOf": [
            {
                "if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]},
                "then": {"$ref": f"#/definitions/{model.__name__}"},
            }
            for kind, model in KINDS.items()
        ],
        "definitions": _definitions(names),
    }


def schema_files(names: Names | None = None) -> dict[str, Schema]:
    """Return every schema by the name of its file, such as `issuancerule.json`; `policy.json` is for any kind."""
    files = {f"{kind.lower()}.json": schema_of(kind, names) for kind in KINDS}
    return {**files, f"{COMBINED}.json": combined_schema(names)}


def _definitions(names: Names | None) -> dict[str, Schema]:
    """Return the schema of every model by the model's name."""
    _, generated = models_json_schema([(model, "validation") for model in KINDS.values()], by_alias=True)
    definitions: dict[str, Schema] = {name: subset(each) for name, each in generated["$defs"].items()}
    definitions["ConditionPart"].update(condition_parts())
    return with_names(definitions, names) if names else definitions


def _reachable(name: str, definitions: Mapping[str, Schema]) -> set[str]:
    """Return the names of all definitions that a definition leads to, its own among them."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        current = waiting.pop()
        if current not in found:
            found.add(current)
            waiting.extend(_references(definitions[current]))
    return found


def _references(value: object) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"].rpartition("/")[2]] if "$ref" in value else []
        return own + [each for inner in value.values() for each in _references(inner)]
    return [each for inner in value for each in _references(inner)] if isinstance(value, list) else []
