"""What people prefer of the portal: the time zone that times are shown in, and whether single keys are shortcuts."""

from dataclasses import dataclass
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from sqlalchemy.orm import Session

from keymgr.store.people import Person

UTC_NAME = "UTC"
_NOT_PLACES = ("posix/", "right/", "Etc/", "SystemV/")
_NOT_ZONES = frozenset({"localtime", "posixrules", "Factory", UTC_NAME})


@dataclass(frozen=True, slots=True)
class Preferences:
    """How one person wants the portal; `time_zone` is an IANA name, such as `Europe/Lisbon`."""

    time_zone: str = UTC_NAME
    shortcuts: bool = False


@dataclass(frozen=True, slots=True)
class Preferred:
    """The preferences are kept."""


@dataclass(frozen=True, slots=True)
class UnknownZone:
    """There is no such time zone here; nothing was changed."""

    sentence: str


def preferences_of(session: Session, person_id: str) -> Preferences:
    """Read what a person prefers."""
    person = session.get(Person, person_id)
    return Preferences() if person is None else Preferences(person.time_zone, person.shortcuts)


def prefer(session: Session, person_id: str, wanted: Preferences) -> Preferred | UnknownZone:
    """Keep what a person prefers; a time zone that is not known here is refused."""
    if wanted.time_zone not in zone_names():
        return UnknownZone("Choose a time zone from the list, such as Europe/Lisbon.")
    person = session.get_one(Person, person_id)
    person.time_zone = wanted.time_zone
    person.shortcuts = wanted.shortcuts
    session.flush()
    return Preferred()


@cache
def zone_names() -> tuple[str, ...]:
    """List the time zones of this machine, UTC first; a machine without time-zone data knows UTC alone."""
    names = (name for name in available_timezones() if not name.startswith(_NOT_PLACES) and name not in _NOT_ZONES)
    return (UTC_NAME, *sorted(names))


@cache
def zone_named(name: str) -> ZoneInfo | None:
    """Return a time zone; None where this machine does not know it (any more)."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
