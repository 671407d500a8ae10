"""The people of the demo. They can sign in only in demo mode, and every page says so."""

from dataclasses import dataclass, field
from datetime import datetime

from argon2 import PasswordHasher
from sqlalchemy import select
from sqlalchemy.orm import Session

from keymgr.people.enrol import NewPerson, enrol
from keymgr.people.passwords import HASHER
from keymgr.people.service_accounts import add_service_account
from keymgr.store.audit import Actor
from keymgr.store.people import Person, ServiceAccount


@dataclass(frozen=True, slots=True)
class SamplePerson:
    """Somebody to try the portal as; the password is public on purpose."""

    name: str
    display_name: str
    about: str
    password: str = field(repr=False)


SAMPLE_PEOPLE = (
    SamplePerson("ada", "Ada Adeyemi", "runs the platform, portal admin", "ada-keeps-the-keys"),
    SamplePerson("ben", "Ben Brandt", "developer in payments", "ben-likes-blue-doors"),
    SamplePerson("cleo", "Cleo Costa", "leads payments, approves", "cleo-reads-every-rule"),
    SamplePerson("dana", "Dana Dahl", "analyst, asks for reports", "dana-counts-small-birds"),
    SamplePerson("eli", "Eli Endo", "on the security team, auditor", "eli-locks-up-at-night"),
    SamplePerson("finn", "Finn Farah", "developer in shipping", "finn-ships-on-fridays"),
)
SAMPLE_SERVICE_ACCOUNTS = (("pay-ci", "payments"), ("nightly-export", "analytics"))
_DEMO = Actor(id="cli:demo")


def plant(session: Session, now: datetime, hasher: PasswordHasher = HASHER) -> None:
    """Add the sample people and service accounts that are missing; a second time it does nothing."""
    people = set(session.scalars(select(Person.name)))
    for sample in SAMPLE_PEOPLE:
        if sample.name not in people:
            new = NewPerson(name=sample.name, display_name=sample.display_name, password=sample.password, sample=True)
            enrol(session, new, actor=_DEMO, now=now, hasher=hasher)
    accounts = set(session.scalars(select(ServiceAccount.name)))
    for name, team in SAMPLE_SERVICE_ACCOUNTS:
        if name not in accounts:
            add_service_account(session, name, team, actor=_DEMO, now=now, sample=True)
