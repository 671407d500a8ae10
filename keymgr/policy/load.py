"""Loads policy files into documents, all of them or none, and keeps documents as JSON for the store."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from keymgr.policy.documents import Document
from keymgr.policy.model import Source
from keymgr.policy.plain_data import Places, plain_data
from keymgr.policy.problems import Problem, Problems
from keymgr.policy.shapes import shape_problems
from keymgr.policy.yaml_nodes import Node
from keymgr.policy.yaml_reader import read_yaml


@dataclass(frozen=True, slots=True)
class Loaded:
    """Every document of a policy folder, each with the shape of its kind; names are not looked up yet."""

    documents: tuple[Document, ...]


@dataclass(frozen=True, slots=True)
class Readable:
    """As much of a folder as could be read. `whole` is False where names may be missing because of a problem."""

    documents: tuple[Document, ...]
    problems: Problems
    whole: bool


def load(files: Mapping[str, bytes]) -> Loaded | Problems:
    """Return the documents of all files, or every problem of every file; `files` maps paths to contents."""
    readable = read_documents(files)
    return readable.problems or Loaded(readable.documents)


def read_documents(files: Mapping[str, bytes]) -> Readable:
    """Return the documents that are right beside the problems of those that are not."""
    documents: list[Document] = []
    problems: list[Problem] = []
    if not files:
        message, remedy = "there are no policy files", "point at the folder that holds them"
        problems.append(Problem("E123", ".", 1, 1, message, remedy))
    for file in sorted(files):
        parsed = read_yaml(file, files[file])
        problems.extend(parsed.problems)
        for node in parsed.documents:
            document, faults = _document(file, node)
            problems.extend(faults)
            documents.extend(document)
    return Readable(tuple(documents), tuple(sorted(problems)), whole=not problems)


def _document(file: str, node: Node) -> tuple[tuple[Document, ...], Problems]:
    plain = plain_data(file, node)
    faults = (*plain.problems, *shape_problems(plain.data, plain.places))
    if faults or plain.places.flawed:
        return (), faults
    data = plain.data
    return (Document(data["kind"], data["metadata"]["name"], plain.places.start, plain.places.values, data),), ()


def to_snapshot(documents: Iterable[Document]) -> list[Any]:
    """Return documents as values that JSON can carry, places included; marks are `path: [line, column]`."""
    return [
        {
            "kind": document.kind,
            "name": document.name,
            "file": document.source.file,
            "at": [document.source.line, document.source.column],
            "marks": {path: [mark.line, mark.column] for path, mark in document.marks.items()},
            "data": document.data,
        }
        for document in documents
    ]


def from_snapshot(snapshot: Iterable[Any]) -> tuple[Document, ...]:
    """Return the documents that `to_snapshot` wrote down."""
    return tuple(
        Document(
            kind=entry["kind"],
            name=entry["name"],
            source=Source(entry["file"], *entry["at"]),
            marks={path: Source(entry["file"], *mark) for path, mark in entry["marks"].items()},
            data=entry["data"],
        )
        for entry in snapshot
    )


def shape_of(document: Document) -> Problems:
    """Return what is wrong with the shape of a document that may come from an older snapshot."""
    return shape_problems(document.data, Places(document.source, document.marks))
