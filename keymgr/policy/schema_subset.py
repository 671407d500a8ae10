"""Turns what pydantic generates (JSON Schema 2020-12) into the part of draft-07 that editors understand."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from keymgr.policy.durations import DURATION, write_duration
from keymgr.policy.facts import FACTS
from keymgr.policy.fields import DIGEST, PERSON, SCOPE, SCOPE_OR_ALL

_EXAMPLES: Mapping[str, list[str]] = MappingProxyType(
    {
        DIGEST: ["sha256:fa71a6954b69"],
        PERSON: ["ana"],
        SCOPE: ["charges:read"],
        SCOPE_OR_ALL: ["charges:read", "*"],
    }
)


def subset(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of one model."""
    changed = {key: _value(key, each) for key, each in schema.items() if key not in ("title", "$defs")}
    changed = _without_null(changed)
    _tidy_default(changed)
    if changed.get("pattern") in _EXAMPLES:
        changed.setdefault("examples", _EXAMPLES[changed["pattern"]])
    if "patternProperties" in changed:
        changed["additionalProperties"] = False
    if "propertyNames" in changed:
        names, value = changed.pop("propertyNames")["enum"], changed.pop("additionalProperties")
        changed["properties"] = {name: {**value, "description": FACTS[name].description} for name in names}
        changed["additionalProperties"] = False
    if "$ref" in changed and len(changed) > 1:
        # Draft-07 ignores everything beside a reference.
        changed["allOf"] = [{"$ref": changed.pop("$ref")}]
    return changed


def _value(key: str, value: Any) -> Any:  # noqa: ANN401 - any JSON.
    if key in ("properties", "patternProperties"):
        return {name: subset(each) for name, each in value.items()}
    if key == "$ref":
        return value.replace("#/$defs/", "#/definitions/")
    if isinstance(value, dict):
        return subset(value)
    if isinstance(value, list):
        return [subset(each) if isinstance(each, dict) else each for each in value]
    return value


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema without the choice to write nothing: a field is left out, never left empty."""
    choices = [each for each in schema.pop("anyOf", ()) if each.get("type") != "null"]
    if len(choices) == 1:
        return {**schema, **choices[0], **({"description": schema["description"]} if "description" in schema else {})}
    return {**schema, "anyOf": choices} if choices else schema


def _tidy_default(schema: dict[str, Any]) -> None:
    """Write a default as an author would; one that says nothing goes."""
    default = schema.get("default")
    if default is None or default in ([], {}, ""):
        schema.pop("default", None)
    elif schema.get("pattern") == DURATION and isinstance(default, int):
        schema["default"] = write_duration(default)
