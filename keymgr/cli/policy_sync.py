"""The sync axis: what a folder says beside what is in force."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import click

from keymgr.cli.policy_stored import changes_as_json, say_changes
from keymgr.policy.plan_objects import ObjectChange
from keymgr.policy.problems import Problems
from keymgr.policy.read import ReadPolicy, read_policy
from keymgr.reconcile.history import changes_between
from keymgr.reconcile.origin import NoOrigin, Origin, find_origin
from keymgr.reconcile.revisions import Head


@dataclass(frozen=True, slots=True)
class Sync:
    """Both digests, and the objects that differ; `changes` is None where this version cannot compare them."""

    applied: str | None
    folder: str
    changes: tuple[ObjectChange, ...] | None

    @property
    def is_same(self) -> bool:
        """Whether what is in force is what the folder says."""
        return self.applied == self.folder


def read_folder_of(folder: str) -> ReadPolicy | Problems:
    """Return the policy of a folder as an apply would read it; here uncommitted changes count."""
    origin = find_origin(folder, revision=None, allow_dirty=True)
    if isinstance(origin, NoOrigin):  # pragma: no cover - with changes allowed there is always an origin.
        raise click.ClickException(origin.sentence)
    return policy_of(origin)


def policy_of(origin: Origin) -> ReadPolicy | Problems:
    """Return the policy that the files of an origin make, or every problem with them."""
    files = origin.files
    return files if isinstance(files, tuple) else read_policy(files, now=datetime.now(UTC))


def sync_of(head: Head | None, found: ReadPolicy) -> Sync:
    """Compare a folder with what is in force."""
    changes = changes_between(head.documents if head else (), found.documents)
    return Sync(None if head is None else head.digest, found.policy.digest, changes)


def sync_as_json(sync: Sync | None) -> dict[str, Any] | None:
    """Return the comparison as plain data."""
    if sync is None:
        return None
    return {
        "in_sync": sync.is_same,
        "applied": sync.applied,
        "folder": sync.folder,
        "changes": changes_as_json(sync.changes),
    }


def say_sync(sync: Sync) -> None:
    """Print whether the folder is in force, and what differs."""
    if sync.is_same:
        click.echo(f"In sync: the folder is what is in force, {sync.folder}.")
        return
    click.echo(f"Out of sync: in force is {sync.applied or 'nothing'}, the folder says {sync.folder}.")
    say_changes(sync.changes or ())
