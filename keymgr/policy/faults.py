"""Says in words what pydantic found wrong with a document: a code, the field, and what to write instead."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from keymgr.policy.characters import look_alikes
from keymgr.policy.fields import PATTERN_REMEDIES
from keymgr.policy.plain_data import Location
from keymgr.policy.problems import nearest, shown

_KEY = "[key]"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with the shape of a document; `at_key` means that the key is wrong, not its value."""

    code: str
    location: Location
    message: str
    remedy: str
    at_key: bool = False
    is_missing: bool = False


def fault_of(model: type[BaseModel], error: ErrorDetails) -> Fault:
    """Return the fault behind one error that validating `model` gave."""
    location, context = error["loc"], error.get("ctx", {})
    if error["type"] == "missing":
        field = location[-1]
        return Fault("E205", location, f'"{field}" is missing', "add it", at_key=True, is_missing=True)
    if error["type"] == "extra_forbidden":
        valid = _valid_fields(model, location)
        return Fault(
            "E204", location, f'unknown field "{shown(location[-1])}"', nearest(str(location[-1]), valid), at_key=True
        )
    if "remedy" in context:
        return Fault(error["type"], (*location, *context["path"]), context["message"], context["remedy"])
    at_key = location[-1] == _KEY
    subject = "the key" if at_key else f'"{location[-1]}"' if isinstance(location[-1], str) else "this entry"
    code, predicate, remedy = _WORDS.get(error["type"], _misfit)(error["input"], context)
    place = location[:-1] if at_key else location
    return Fault(code, place, f"{subject} {predicate}", remedy, at_key=at_key)


_Words = tuple[str, str, str]
_Context = Mapping[str, Any]


def _valid_fields(model: type[BaseModel], location: Location) -> list[str]:
    """Return the fields that may stand beside the one at `location`."""
    inner: Any = model
    for part in location[:-1]:
        inner = _within(inner, part)
    return [field.alias or name for name, field in _present(inner).model_fields.items()]


def _within(annotation: Any, part: str | int) -> Any:  # noqa: ANN401 annotations have no common type.
    """Return what `part` of a value with this annotation is: a field of a model, an entry of a list or of a mapping."""
    present = _present(annotation)
    if get_origin(present) is None:
        return next(field.annotation for name, field in present.model_fields.items() if part == (field.alias or name))
    return get_args(present)[1 if get_origin(present) is dict else 0]


def _present(annotation: Any) -> Any:  # noqa: ANN401 annotations have no common type.
    """Return an annotation without the None of a field that may be left out."""
    choices = get_args(annotation)
    return choices[0] if type(None) in choices else annotation


def _expected(kind: str, remedy: str) -> Callable[[object, _Context], _Words]:
    def words(found: object, _context: _Context) -> _Words:
        return "E206", f"must be {kind}, not {_noun(found)}", remedy

    return words


def _text(found: object, _context: _Context) -> _Words:
    remedy = f'write "{shown(_as_yaml(found))}" in quotes' if isinstance(found, bool | int) else "write one text"
    return "E206", f"must be text, not {_noun(found)}", remedy


def _noun(found: object) -> str:
    nouns = {
        type(None): "nothing",
        bool: "true or false",
        int: "a number",
        str: "text",
        list: "a list",
        dict: "a mapping",
    }
    return nouns[type(found)]


def _as_yaml(found: object) -> str:
    return str(found).lower() if isinstance(found, bool) else str(found)


def _choice(found: object, context: _Context) -> _Words:
    valid = re.findall(r"'([^']*)'", context["expected"]) or [context["expected"].lower()]
    return "E207", f'cannot be "{shown(_as_yaml(found))}"', nearest(str(found), valid)


def _pattern(found: object, context: _Context) -> _Words:
    remedy = PATTERN_REMEDIES.get(context["pattern"], "write it in one line")
    odd = look_alikes(str(found))
    return "E208", f'cannot be written "{shown(found)}"{f": {odd}" if odd else ""}', remedy


def _empty(_found: object, _context: _Context) -> _Words:
    return "E209", "is empty", "write what belongs here, or leave the field out"


def _too_long(_found: object, context: _Context) -> _Words:
    most = context["max_length"]
    return "E216", f"is too long, at most {most} are allowed", "shorten it"


def _too_small(found: object, context: _Context) -> _Words:
    return "E210", f"cannot be {found}", f"write {context['ge']} or more"


def _too_large(found: object, context: _Context) -> _Words:
    return "E210", f"cannot be {found}", f"write {context['le']} or less"


def _misfit(found: object, _context: _Context) -> _Words:
    return "E206", f"cannot be {_noun(found)}", "see docs/policy.md for what does"


_WORDS: Mapping[str, Callable[[object, _Context], _Words]] = MappingProxyType(
    {
        "bool_type": _expected("true or false", "write true or false without quotes"),
        "dict_type": _expected("a mapping", "write fields with values"),
        "enum": _choice,
        "greater_than_equal": _too_small,
        "int_type": _expected("a whole number", "write digits without quotes"),
        "less_than_equal": _too_large,
        "literal_error": _choice,
        "model_type": _expected("a mapping", "write fields with values"),
        "string_pattern_mismatch": _pattern,
        "string_too_long": _too_long,
        "string_too_short": _empty,
        "string_type": _text,
        "too_long": _too_long,
        "too_short": _empty,
        "tuple_type": _expected("a list", "write the values in [ ]"),
    }
)
