"""What was in force when, by whom, and what each revision changed."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from keymgr.policy.documents import Document
from keymgr.policy.load import from_snapshot
from keymgr.policy.plan_objects import ObjectChange, object_changes
from keymgr.store.policies import PolicyHead, PolicyRevision


@dataclass(frozen=True, slots=True)
class Revision:
    """One revision without its documents. `rollback_of` is the revision that it undid."""

    number: int
    name: str
    digest: str
    applied_at: datetime
    applied_by: str
    app_version: str
    summary: dict[str, Any]
    commit: str | None
    ref: str | None
    author: str | None
    signer: str | None
    rollback_of: int | None
    in_force: bool

    @property
    def rollback_to(self) -> int | None:
        """The revision whose state a rollback brought back."""
        to: int | None = self.summary.get("rollback", {}).get("to")
        return to


@dataclass(frozen=True, slots=True)
class Shown:
    """A revision beside what it changed; `changes` is None where this version cannot read one of the two."""

    revision: Revision
    previous: int | None
    changes: tuple[ObjectChange, ...] | None


def history(session: Session, *, most: int, before: int | None = None) -> tuple[Revision, ...]:
    """List revisions, the newest first; `before` goes on after a page that ended with this number."""
    statement = _statement().order_by(PolicyRevision.id.desc()).limit(most)
    if before is not None:
        statement = statement.where(PolicyRevision.id < before)
    return tuple(_revision(row) for row in session.execute(statement))


def find_revision(session: Session, number: int | None = None) -> Revision | None:
    """Return one revision, without a number the one in force; None when there is none such."""
    wanted = PolicyHead.revision_id.is_not(None) if number is None else PolicyRevision.id == number
    row = session.execute(_statement().where(wanted)).one_or_none()
    return None if row is None else _revision(row)


def show(session: Session, number: int | None = None) -> Shown | None:
    """Return a revision with what it changed against the one before it; without a number the one in force."""
    revision = find_revision(session, number)
    if revision is None:
        return None
    earlier = select(PolicyRevision.id).where(PolicyRevision.id < revision.number)
    previous = session.scalar(earlier.order_by(PolicyRevision.id.desc()).limit(1))
    base = () if previous is None else documents_of(session, previous)
    return Shown(revision, previous, changes_between(base, documents_of(session, revision.number)))


def documents_of(session: Session, number: int) -> tuple[Document, ...]:
    """Return the documents of a revision as they were applied."""
    stored = session.scalar(select(PolicyRevision.documents).where(PolicyRevision.id == number))
    return from_snapshot(stored or [])


def changes_between(before: Iterable[Document], after: Iterable[Document]) -> tuple[ObjectChange, ...] | None:
    """Return what changes from one set of documents to another; None where one of them has another schema."""
    try:
        return object_changes(before, after)
    except (ValidationError, KeyError):
        return None


def _statement() -> Select[*tuple[Any, ...]]:
    columns = (
        PolicyRevision.id,
        PolicyRevision.name,
        PolicyRevision.digest,
        PolicyRevision.applied_at,
        PolicyRevision.applied_by,
        PolicyRevision.app_version,
        PolicyRevision.summary,
        PolicyRevision.commit,
        PolicyRevision.ref,
        PolicyRevision.author,
        PolicyRevision.signer,
        PolicyRevision.rollback_of,
        PolicyHead.id.is_not(None),
    )
    return select(*columns).outerjoin(PolicyHead, PolicyHead.revision_id == PolicyRevision.id)


def _revision(row: Iterable[Any]) -> Revision:
    return Revision(*row)
