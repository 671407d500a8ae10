"""The nodes of a strictly read YAML file: mappings, sequences and scalars that know where they stand."""

from dataclasses import dataclass
from typing import NamedTuple

from keymgr.policy.problems import Problem


class Mark(NamedTuple):
    """A place in one file, line and column from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value. `flawed` means that a problem with it has been told already."""

    value: str | int | bool | None
    mark: Mark
    flawed: bool = False


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list of nodes."""

    items: tuple["Node", ...]
    mark: Mark


class Entry(NamedTuple):
    """One key of a mapping with its value; `mark` is where the key stands."""

    key: str
    mark: Mark
    value: "Node"


@dataclass(frozen=True, slots=True)
class Mapping:
    """Keys as they are written. `flawed` means that a key was left out because of a problem told already."""

    entries: tuple[Entry, ...]
    mark: Mark
    flawed: bool = False


Node = Scalar | Sequence | Mapping


@dataclass(frozen=True, slots=True)
class Parsed:
    """The documents of one file; `whole` is False where reading stopped before the end, and then there are none."""

    documents: tuple[Node, ...]
    problems: tuple[Problem, ...]
    whole: bool
