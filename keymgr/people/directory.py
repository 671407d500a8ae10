"""Everybody who is known here, searched and paged by the database."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from keymgr.store.people import Person, PersonState, ServiceAccount

PAGE_SIZE = 50
SEARCH_LENGTH_MAX = 80


@dataclass(frozen=True, slots=True)
class PeoplePage:
    """One page of people: `total` counts those of all pages, `number` is from 1 and within `pages`."""

    people: Sequence[Person]
    total: int
    number: int
    pages: int


def find_people(session: Session, *, search: str = "", state: PersonState | None = None, number: int = 1) -> PeoplePage:
    """List people by name; `search` finds a part of the name, of what they are called, or of the address."""
    conditions: list[ColumnElement[bool]] = [] if state is None else [Person.state == state.value]
    text = "".join(character for character in search if character.isprintable()).strip()[:SEARCH_LENGTH_MAX]
    if text:
        columns = (Person.name, Person.display_name, Person.email)
        conditions.append(or_(*(column.icontains(text, autoescape=True) for column in columns)))
    total = session.scalar(select(func.count()).select_from(Person).where(*conditions)) or 0
    pages = max(1, -(-total // PAGE_SIZE))
    shown = min(max(1, number), pages)
    ordered = select(Person).where(*conditions).order_by(Person.name).limit(PAGE_SIZE).offset((shown - 1) * PAGE_SIZE)
    return PeoplePage(session.scalars(ordered).all(), total, shown, pages)


def find_person(session: Session, name: str) -> Person | None:
    """Find somebody by their sign-in name; None when there is nobody of that name."""
    return session.scalar(select(Person).where(Person.name == name))


def find_service_accounts(session: Session) -> Sequence[ServiceAccount]:
    """List the service accounts by name."""
    return session.scalars(select(ServiceAccount).order_by(ServiceAccount.name)).all()


def find_service_account(session: Session, name: str) -> ServiceAccount | None:
    """Find a service account by its name; None when there is none of that name."""
    return session.scalar(select(ServiceAccount).where(ServiceAccount.name == name))
