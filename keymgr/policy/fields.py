"""The types of the fields in policy documents: each accepts one way of writing a thing and says so in its error."""

import re
from collections.abc import Hashable, Sequence
from datetime import datetime
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from keymgr.policy.durations import DURATION, BadDurationError, parse_duration
from keymgr.policy.facts import FACTS
from keymgr.policy.model import FactValue, Network
from keymgr.policy.networks import BadNetwork, parse_network
from keymgr.policy.patterns import PATTERN_LENGTH_MAX, pattern_fault
from keymgr.policy.problems import nearest, shown

NAME = "^[a-z0-9][a-z0-9-]{0,62}$"
PERSON = "^[a-z0-9][a-z0-9._-]{0,62}$"
SCOPE = "^[a-z0-9][a-z0-9-]{0,62}(:[a-z0-9][a-z0-9-]{0,62}){1,3}$"
SCOPE_OR_ALL = rf"^(\*|{SCOPE[1:-1]})$"
DIGEST = "^sha256:[0-9a-f]{12,64}$"
TIMESTAMP = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$"

PATTERN_REMEDIES = {
    NAME: "use a-z, 0-9 and -, at most 63, starting with a letter or digit",
    PERSON: "use a sign-in name: a-z, 0-9, ., _ and -, at most 63, starting with a letter or digit",
    SCOPE: "write resource:action with a-z, 0-9 and -, such as charges:read",
    SCOPE_OR_ALL: 'write resource:action with a-z, 0-9 and -, such as charges:read, or "*" alone',
    DIGEST: "write sha256: and at least 12 characters of the digest, as a plan shows it",
}

_MANY = 1000
_TEXT_MAX = 200


class Part(BaseModel):
    """A part of a document: unknown fields are refused and nothing is converted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


def wrong(code: str, message: str, remedy: str, *, path: Sequence[str | int] = ()) -> PydanticCustomError:
    """Return an error for a validator to raise; `path` leads from the value to the part that is wrong."""
    context = {"message": message, "remedy": remedy, "path": tuple(path)}
    # The template is a literal for pydantic's sake; the words travel in the context.
    return PydanticCustomError(code, "{message}", context)


def _text(value: object, remedy: str) -> str:
    if not isinstance(value, str):
        raise wrong("E206", "this must be text", remedy)
    return value


def _duration(value: object) -> int:
    try:
        return parse_duration(_text(value, "write a length of time such as 90d"))
    except BadDurationError as error:
        raise wrong("E211", str(error), error.remedy) from error


def what_and_remedy(network: BadNetwork) -> tuple[str, str]:
    """Split the sentence about a bad network into what is wrong and what to write."""
    what, _, remedy = network.sentence.rstrip(".").partition("; ")
    return what, remedy


def _network(value: object) -> Network:
    network = parse_network(_text(value, "write a network such as 10.20.0.0/16"))
    if isinstance(network, BadNetwork):
        raise wrong("E212", *what_and_remedy(network))
    return network


def _timestamp(value: object) -> int:
    text = _text(value, 'write a time such as "2026-03-01T09:00:00Z"')
    try:
        if re.fullmatch(TIMESTAMP, text):
            return int(datetime.fromisoformat(text).timestamp())
    except ValueError:
        pass
    raise wrong("E213", f'"{shown(text)}" is not a time', 'write it in UTC, such as "2026-03-01T09:00:00Z"')


def _pattern(value: str) -> str:
    fault = pattern_fault(value)
    if fault:
        raise wrong("E217", fault.rstrip("."), "write a simpler pattern")
    return value


def _fact_value(value: object) -> FactValue:
    if isinstance(value, int):
        return value
    texts = tuple(value) if isinstance(value, list) else (value,)
    if texts and all(isinstance(text, str) and 0 < len(text) <= _TEXT_MAX for text in texts):
        return value if isinstance(value, str) else unique(texts)
    raise wrong(
        "E206",
        "this must be text, a number, true, false, or a list of texts",
        f"write one of those, up to {_TEXT_MAX} characters",
    )


def _fact(value: str) -> str:
    if value not in FACTS:
        raise wrong("E207", f'there is no fact "{shown(value)}"', nearest(value, FACTS))
    return value


_Items = TypeVar("_Items", bound=tuple[object, ...])


def unique(items: _Items) -> _Items:
    """Refuse a list that says the same thing twice; things with a name are the same when their names are."""
    seen: set[Hashable] = set()
    for index, item in enumerate(items):
        name = getattr(item, "name", item) if isinstance(item, Part) else item
        if name in seen:
            raise wrong("E214", f'"{shown(name)}" stands in this list twice', "keep one of the two", path=(index,))
        seen.add(name)
    return items


Name = Annotated[str, Field(pattern=NAME)]
PersonName = Annotated[str, Field(pattern=PERSON)]
ScopeName = Annotated[str, Field(pattern=SCOPE)]
Line = Annotated[str, Field(min_length=1, max_length=200, pattern="^[^\n]*$")]
Prose = Annotated[str, Field(min_length=1, max_length=2000)]
Count = Annotated[int, Field(ge=1, le=1_000_000_000)]
Pattern = Annotated[str, Field(min_length=1, max_length=PATTERN_LENGTH_MAX), AfterValidator(_pattern)]
FactName = Annotated[str, AfterValidator(_fact), WithJsonSchema({"type": "string", "enum": list(FACTS)})]

Duration = Annotated[
    int,
    PlainValidator(_duration),
    WithJsonSchema({"type": "string", "pattern": DURATION, "examples": ["90d", "72h", "10m", "30s"]}),
]
Cidr = Annotated[
    Network,
    PlainValidator(_network),
    WithJsonSchema({"type": "string", "examples": ["10.20.0.0/16", "2001:db8:20::/48"]}),
]
Timestamp = Annotated[
    int,
    PlainValidator(_timestamp),
    WithJsonSchema({"type": "string", "pattern": TIMESTAMP, "examples": ["2026-03-01T09:00:00Z"]}),
]
ConditionValue = Annotated[
    FactValue,
    PlainValidator(_fact_value),
    WithJsonSchema({"type": ["string", "integer", "boolean", "array"], "items": {"type": "string"}}),
]

_Item = TypeVar("_Item")
Listed = Annotated[tuple[_Item, ...], Field(min_length=1, max_length=_MANY), AfterValidator(unique)]
ListedOrNone = Annotated[tuple[_Item, ...], Field(max_length=_MANY), AfterValidator(unique)]
