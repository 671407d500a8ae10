"""PyYAML's events as small typed values, one by one; nothing else here knows PyYAML, but for the layout's cutter.

The parser is pinned to PyYAML's pure Python one, because it and libyaml disagree about what is valid.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import yaml

from keymgr.policy.yaml_nodes import Mark


class EventKind(StrEnum):
    """What begins, or ends, at an event."""

    ALIAS = "alias"
    DOCUMENT = "document"
    END = "end"
    MAPPING = "mapping"
    SCALAR = "scalar"
    SEQUENCE = "sequence"


@dataclass(frozen=True, slots=True)
class Event:
    """One step through a file; `plain` is True for a scalar written without quotes."""

    kind: EventKind
    mark: Mark
    text: str = ""
    plain: bool = False
    anchor: str | None = None
    tag: str | None = None


class NotYamlError(Exception):
    """The text is not YAML from `mark` on; the message says what was found."""

    def __init__(self, mark: Mark, message: str) -> None:
        super().__init__(message)
        self.mark = mark


_KINDS: dict[type[yaml.Event], EventKind] = {
    yaml.AliasEvent: EventKind.ALIAS,
    yaml.DocumentStartEvent: EventKind.DOCUMENT,
    yaml.MappingEndEvent: EventKind.END,
    yaml.MappingStartEvent: EventKind.MAPPING,
    yaml.ScalarEvent: EventKind.SCALAR,
    yaml.SequenceEndEvent: EventKind.END,
    yaml.SequenceStartEvent: EventKind.SEQUENCE,
}


def events(text: str) -> Iterator[Event]:
    """Yield the events of a text, reading no further than asked; raises `NotYamlError` where it is not YAML."""
    loader: Any = yaml.SafeLoader(text)
    try:
        while loader.check_event():
            event = loader.get_event()
            if type(event) in _KINDS:
                yield _event(event)
    except yaml.MarkedYAMLError as error:
        message = ": ".join(part for part in (error.context, error.problem) if part)
        raise NotYamlError(_mark(error.problem_mark or loader.get_mark()), message) from error
    except ValueError as error:
        # PyYAML hands an escape beyond the last code point to chr() unchecked.
        raise NotYamlError(_mark(loader.get_mark()), "this escape names no character") from error
    finally:
        loader.dispose()


def _event(event: Any) -> Event:  # noqa: ANN401 PyYAML's events carry no types of their own.
    plain = isinstance(event, yaml.ScalarEvent) and event.implicit[0]
    return Event(
        kind=_KINDS[type(event)],
        mark=_mark(event.start_mark),
        text=getattr(event, "value", ""),
        plain=bool(plain),
        anchor=getattr(event, "anchor", None),
        tag=getattr(event, "tag", None),
    )


def _mark(mark: Any) -> Mark:  # noqa: ANN401 PyYAML's marks carry no types of their own.
    return Mark(mark.line + 1, mark.column + 1)
