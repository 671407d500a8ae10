"""The first part of a plan: which objects are added, changed, renamed and removed, and which fields of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from keymgr.policy.digest import KINDS_LEFT_OUT
from keymgr.policy.documents import Document
from keymgr.policy.plan_fields import FieldChange, changes_between, fields_of
from keymgr.policy.words import Source

Identity = tuple[str, str]


class Action(StrEnum):
    """What happens to an object. `touched` means that only something it refers to has changed."""

    ADDED = "added"
    CHANGED = "changed"
    RENAMED = "renamed"
    REMOVED = "removed"
    TOUCHED = "touched"


@dataclass(frozen=True, slots=True)
class ObjectChange:
    """One object with what happens to it; a removed one has its place in the base."""

    action: Action
    kind: str
    name: str
    source: Source
    previous_name: str | None = None
    protected: bool = False
    changes: tuple[FieldChange, ...] = ()

    @property
    def identity(self) -> Identity:
        """Kind and name, as after the change."""
        return (self.kind, self.name)

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


def object_changes(base: Iterable[Document], head: Iterable[Document]) -> tuple[ObjectChange, ...]:
    """Return what changes between two sets of documents, by kind and name.

    Tests, acknowledgements and words for people are left out, as they are from the digest: without a change here the
    digest is the same, and the other way round.
    """
    old, new = _by_identity(base), _by_identity(head)
    renames = renames_between(old, new)
    found = [_added_or_changed(identity, old, new, renames) for identity in new]
    gone = [identity for identity in old if identity not in new and identity not in renames]
    removed = (
        ObjectChange(Action.REMOVED, *identity, old[identity].source, None, _kept(old[identity])) for identity in gone
    )
    listed = (*(each for each in found if each), *removed)
    return tuple(sorted(listed, key=lambda each: (each.kind, each.name, each.action)))


def renames_between(old: Mapping[Identity, Document], new: Mapping[Identity, Document]) -> dict[Identity, Identity]:
    """Return the identity after for each one before that `previously` of a new object names; each is taken once."""
    renames: dict[Identity, Identity] = {}
    for (kind, name), document in sorted(new.items()):
        for former in document.data["metadata"].get("previously", []):
            before = (kind, former)
            if (kind, name) not in old and before in old and before not in new and before not in renames:
                renames[before] = (kind, name)
                break
    return renames


def documents_that_count(documents: Iterable[Document]) -> dict[Identity, Document]:
    """Return the documents that decide, by kind and name."""
    return _by_identity(documents)


def _by_identity(documents: Iterable[Document]) -> dict[Identity, Document]:
    return {(each.kind, each.name): each for each in documents if each.kind not in KINDS_LEFT_OUT}


def _added_or_changed(
    identity: Identity,
    old: Mapping[Identity, Document],
    new: Mapping[Identity, Document],
    renames: Mapping[Identity, Identity],
) -> ObjectChange | None:
    former = next((before for before, after in renames.items() if after == identity), identity)
    document, before = new[identity], old.get(former)
    change = ObjectChange(Action.ADDED, *identity, document.source)
    if before is None:
        return change
    changes = () if before.data == document.data else changes_between(fields_of(before), fields_of(document))
    if former != identity:
        # The name and its history are what the rename itself says.
        changes = tuple(each for each in changes if each.path != "metadata.previously")
    elif not changes:
        return None
    return replace(
        change,
        action=Action.CHANGED if former == identity else Action.RENAMED,
        previous_name=None if former == identity else former[1],
        protected=_kept(before),
        changes=changes,
    )


def _kept(document: Document) -> bool:
    """Tell whether the object asks to be acknowledged; what was applied says so, never the change itself."""
    return bool(document.data["metadata"].get("protect"))
