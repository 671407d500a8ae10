"""Whose keys somebody may act on. Foreign and unknown keys look the same: the answer is None for both."""

from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from keymgr.store.keys import Key

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Rights:
    """What the door found out about the actor.

    `owners` are the actor and the service accounts of the actor's teams (`user:ana`, `svc:pay-ci`). `admin` reaches
    every key where stopping harm is the point (revoke, suspend), never where a secret would be shown.
    """

    owners: frozenset[str]
    admin: bool = False

    @property
    def stoppable(self) -> frozenset[str] | None:
        """Whose keys the actor may see and take out of use; None means everybody's."""
        return None if self.admin else self.owners


def owner_of(session: Session, key_id: str, rights: Rights) -> str | None:
    """Find whose key this is; None when there is no such key or the actor may not know of it."""
    return session.scalar(_within(select(Key.owner).where(Key.id == key_id), rights.stoppable))


def hold_key(session: Session, key_id: str, owners: frozenset[str] | None) -> Key | None:
    """Read a key of one of `owners` (None: of anybody) and keep others from changing it until commit."""
    statement = _within(select(Key).where(Key.id == key_id), owners)
    return session.scalar(statement.with_for_update().execution_options(populate_existing=True))


def _within(statement: Select[Found], owners: frozenset[str] | None) -> Select[Found]:
    return statement if owners is None else statement.where(Key.owner.in_(owners))
