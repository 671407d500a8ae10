"""Turns the nodes of one document into plain data, and remembers where each value and each key stands."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from keymgr.policy.model import Source
from keymgr.policy.problems import Problem, at
from keymgr.policy.yaml_nodes import Mapping as MappingNode
from keymgr.policy.yaml_nodes import Mark, Node, Sequence

Location = tuple[str | int, ...]


def dotted(location: Location) -> str:
    """Return a location as people write it, such as `spec.grants.scopes.0`."""
    return ".".join(str(part) for part in location)


@dataclass(frozen=True, slots=True)
class Places:
    """Where values and keys of a document stand, by dotted path; `flawed` paths have had their problem told."""

    start: Source
    values: Mapping[str, Source]
    keys: Mapping[str, Source] = field(default_factory=dict)
    flawed: frozenset[str] = frozenset()

    def of_value(self, location: Location) -> Source:
        """Return where the value stands, or the nearest thing around it."""
        return self._nearest(self.values, location)

    def of_key(self, location: Location) -> Source:
        """Return where the key of the value stands, or the nearest key around it."""
        return self._nearest(self.keys or self.values, location)

    def _nearest(self, places: Mapping[str, Source], location: Location) -> Source:
        for end in range(len(location), 0, -1):
            place = places.get(dotted(location[:end]))
            if place is not None:
                return place
        return self.start


@dataclass(frozen=True, slots=True)
class PlainData:
    """One document as plain values, with their places and the problems of turning it."""

    data: Any
    places: Places
    problems: tuple[Problem, ...]


def plain_data(file: str, node: Node) -> PlainData:
    """Return the document that `node` holds; a value that is left empty is told, because absent is not empty."""
    walk = _Walk(file)
    data = walk.value(node, ())
    start = walk.source(node.mark)
    places = Places(start, walk.values, walk.keys, frozenset(walk.flawed))
    return PlainData(data, places, tuple(walk.problems))


class _Walk:
    """Collects places on the way through the nodes."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.values: dict[str, Source] = {}
        self.keys: dict[str, Source] = {}
        self.flawed: set[str] = set()
        self.problems: list[Problem] = []

    def source(self, mark: Mark) -> Source:
        return Source(self.file, mark.line, mark.column)

    def value(self, node: Node, location: Location) -> Any:  # noqa: ANN401 plain data is whatever YAML can hold.
        path = dotted(location)
        self.values[path] = self.source(node.mark)
        if isinstance(node, Sequence):
            return [self.value(item, (*location, index)) for index, item in enumerate(node.items)]
        if node.flawed:
            self.flawed.add(path)
        if isinstance(node, MappingNode):
            return self.mapping(node, location)
        if node.value is None and location:
            what = f'"{location[-1]}"' if isinstance(location[-1], str) else "this entry"
            message, remedy = f"{what} has no value", "write a value, or leave it out"
            self.problems.append(at(self.source(node.mark), "E209", message, remedy))
            self.flawed.add(path)
        return node.value

    def mapping(self, node: MappingNode, location: Location) -> dict[str, Any]:
        data = {}
        for entry in node.entries:
            self.keys[dotted((*location, entry.key))] = self.source(entry.mark)
            data[entry.key] = self.value(entry.value, (*location, entry.key))
        return data
