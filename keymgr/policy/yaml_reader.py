"""Reads one YAML file, strictly, into nodes.

Only the plain part of YAML is accepted: mappings with unique text keys, sequences and scalars. Limits are checked
while events stream, before anything is built.
"""

from collections.abc import Iterator
from typing import NoReturn

from keymgr.policy.characters import first_forbidden, spell
from keymgr.policy.problems import Problem, shown
from keymgr.policy.scalars import AmbiguousError, interpret
from keymgr.policy.yaml_events import Event, EventKind, NotYamlError, events
from keymgr.policy.yaml_nodes import Entry, Mapping, Mark, Node, Parsed, Scalar, Sequence
from keymgr.policy.yaml_text import decode

NODES_MAX = 50_000
DOCUMENTS_MAX = 200
DEPTH_MAX = 24
PROBLEMS_MAX = 200


def read_yaml(file: str, content: bytes) -> Parsed:
    """Return the documents of one file beside everything that is wrong with it; never raises for its content."""
    text = decode(file, content)
    if isinstance(text, tuple):
        return Parsed((), text, whole=False)
    reader = _Reader(file, events(text))
    try:
        documents = tuple(reader.documents())
    except _StopReading:
        return Parsed((), tuple(reader.problems), whole=False)
    except NotYamlError as error:
        problem = Problem("E104", file, *error.mark, shown(error), "mend the YAML here or just above")
        return Parsed((), (*reader.problems, problem), whole=False)
    return Parsed(documents, tuple(reader.problems), whole=True)


class _StopReading(Exception):  # noqa: N818 a signal inside this module, never an error that anyone sees.
    """The rest of the file cannot be read; its problem is recorded."""


class _Reader:
    """Walks the events of one file and records every problem on the way."""

    def __init__(self, file: str, stream: Iterator[Event]) -> None:
        self.file = file
        self.stream = stream
        self.problems: list[Problem] = []
        self.nodes = 0

    def tell(self, code: str, mark: Mark, message: str, remedy: str) -> None:
        """Record a problem; a file with too many of them is not read further."""
        if len(self.problems) == PROBLEMS_MAX:
            self.problems.append(
                Problem("E112", self.file, *mark, "reading stops here", "mend the problems above first")
            )
            raise _StopReading
        self.problems.append(Problem(code, self.file, *mark, message, remedy))

    def stop(self, code: str, mark: Mark, message: str, remedy: str) -> NoReturn:
        """Record a problem that makes the rest of the file unreadable."""
        self.tell(code, mark, message, remedy)
        raise _StopReading

    def documents(self) -> Iterator[Node]:
        """Yield the documents of the file."""
        count = 0
        for event in self.stream:
            count += 1
            if count > DOCUMENTS_MAX:
                message = f"the file holds more than {DOCUMENTS_MAX} documents"
                self.stop("E112", event.mark, message, "split it into several files")
            yield self.node(next(self.stream), depth=1)
        if not count:
            self.stop("E113", Mark(1, 1), "the file holds no document", "write one or delete the file")

    def node(self, event: Event, *, depth: int) -> Node:
        """Return the node that begins with `event`."""
        self.nodes += 1
        if self.nodes > NODES_MAX:
            self.stop("E112", event.mark, f"the file holds more than {NODES_MAX} values", "split it into several files")
        if depth > DEPTH_MAX:
            self.stop("E112", event.mark, f"values are nested more than {DEPTH_MAX} levels deep", "flatten them")
        self.refuse_decoration(event)
        if event.kind is EventKind.MAPPING:
            return self.mapping(event.mark, depth=depth + 1)
        if event.kind is EventKind.SEQUENCE:
            return Sequence(tuple(self.node(each, depth=depth + 1) for each in self.until_end()), event.mark)
        return self.scalar(event)

    def until_end(self) -> Iterator[Event]:
        """Yield the first event of each node up to the end of the collection that has begun."""
        while (event := next(self.stream)).kind is not EventKind.END:
            yield event

    def refuse_decoration(self, event: Event) -> None:
        """Record anchors, aliases and tags."""
        if event.kind is EventKind.ALIAS:
            self.tell("E106", event.mark, f"the alias *{shown(event.anchor)} is not allowed", "write the value out")
        elif event.anchor:
            self.tell("E106", event.mark, f"the anchor &{shown(event.anchor)} is not allowed", "remove it")
        if event.tag:
            self.tell("E107", event.mark, f"the tag {shown(event.tag)} is not allowed", "remove it")

    def mapping(self, mark: Mark, *, depth: int) -> Mapping:
        """Return the mapping that has begun; keys with a problem are left out."""
        entries: dict[str, Entry] = {}
        flawed = False
        for event in self.until_end():
            name = self.key(event, depth=depth)
            value = self.node(next(self.stream), depth=depth)
            if name is None:
                flawed = True
            elif name in entries:
                first = entries[name].mark
                message = f'the key "{shown(name)}" is already set in line {first.line}'
                self.tell("E108", event.mark, message, "keep one of the two")
            else:
                entries[name] = Entry(name, event.mark, value)
        return Mapping(tuple(entries.values()), mark, flawed)

    def key(self, event: Event, *, depth: int) -> str | None:
        """Return the key that begins with `event`, None where it is not plain text."""
        if event.text == "<<" and event.plain:
            self.tell("E110", event.mark, "the merge key << is not allowed", "write the fields out")
            return None
        node = self.node(event, depth=depth)
        if not isinstance(node, Scalar):
            self.tell("E111", event.mark, "a key must be text, not a list or a mapping", "write a name")
            return None
        if not isinstance(node.value, str):
            self.tell(
                "E111", event.mark, f'the key "{shown(event.text)}" is not text', "write a name, or put it in quotes"
            )
            return None
        return None if node.flawed else node.value

    def scalar(self, event: Event) -> Scalar:
        """Return the scalar of an event; an alias stands as a flawed one."""
        odd = first_forbidden(event.text)
        if odd:
            message = f"an escape makes the character {spell(odd)}, which is not allowed"
            self.tell("E102", event.mark, message, "remove it")
            return Scalar("", event.mark, flawed=True)
        if event.kind is EventKind.ALIAS or event.tag:
            return Scalar(event.text, event.mark, flawed=True)
        if not event.plain:
            return Scalar(event.text, event.mark)
        try:
            return Scalar(interpret(event.text), event.mark)
        except AmbiguousError:
            message = f"YAML readers disagree about what {shown(event.text)} means without quotes"
            self.tell("E105", event.mark, message, f'write "{shown(event.text)}"')
            return Scalar(event.text, event.mark, flawed=True)
