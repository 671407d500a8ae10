"""What people prefer: kept if it exists, and read back."""

from datetime import datetime

from sqlalchemy.orm import Session

from keymgr.people.preferences import (
    Preferences,
    Preferred,
    UnknownZone,
    prefer,
    preferences_of,
    zone_named,
    zone_names,
)
from keymgr.store.people import Person


def add_ana(session: Session, now: datetime) -> str:
    session.add(Person(id="usr_ana", name="ana", display_name="Ana", created_at=now))
    session.commit()
    return "usr_ana"


def test_what_is_preferred_is_kept(session: Session, now: datetime) -> None:
    ana = add_ana(session, now)
    assert preferences_of(session, ana) == Preferences("UTC", shortcuts=False)
    wanted = Preferences("Europe/Lisbon", shortcuts=True)
    assert prefer(session, ana, wanted) == Preferred()
    session.expire_all()
    assert preferences_of(session, ana) == wanted


def test_a_zone_that_is_none_is_refused_and_nothing_changes(session: Session, now: datetime) -> None:
    ana = add_ana(session, now)
    for name in ("", "Mars/Olympus", "../../etc/passwd", "Europe/lisbon", "localtime", "posix/Europe/Lisbon"):
        outcome = prefer(session, ana, Preferences(name, shortcuts=True))
        assert isinstance(outcome, UnknownZone), name
    assert preferences_of(session, ana) == Preferences()


def test_somebody_who_is_gone_prefers_nothing(session: Session) -> None:
    assert preferences_of(session, "usr_gone") == Preferences()


def test_every_zone_on_offer_is_known_and_others_are_not() -> None:
    assert zone_names()[0] == "UTC"
    assert len(zone_names()) == len(set(zone_names())) > 400
    assert all(zone_named(name) is not None for name in zone_names())
    assert zone_named("Mars/Olympus") is None
    assert zone_named("../etc/passwd") is None
    assert zone_named("") is None
