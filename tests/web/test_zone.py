"""Times are written in the visitor's zone, with its name, on every page; also on the days when clocks change."""

from datetime import UTC, date, datetime, timedelta

import pytest
from flask import Flask, g

from keymgr.people.preferences import Preferences
from keymgr.web import wording
from keymgr.web.zone import preferences, zone


@pytest.mark.parametrize(
    ("zone_name", "moment", "words"),
    [
        ("UTC", datetime(2026, 12, 1, 14, 0, tzinfo=UTC), "1 Dec 2026, 14:00 UTC"),
        ("Europe/Berlin", datetime(2026, 12, 1, 23, 30, tzinfo=UTC), "2 Dec 2026, 00:30 CET"),
        ("Europe/Berlin", datetime(2026, 10, 25, 0, 30, tzinfo=UTC), "25 Oct 2026, 02:30 CEST"),
        ("Europe/Berlin", datetime(2026, 10, 25, 1, 30, tzinfo=UTC), "25 Oct 2026, 02:30 CET"),
        ("Europe/Berlin", datetime(2026, 3, 29, 0, 59, tzinfo=UTC), "29 Mar 2026, 01:59 CET"),
        ("Europe/Berlin", datetime(2026, 3, 29, 1, 0, tzinfo=UTC), "29 Mar 2026, 03:00 CEST"),
        ("Asia/Kolkata", datetime(2026, 12, 31, 18, 30, tzinfo=UTC), "1 Jan 2027, 00:00 IST"),
        ("America/Sao_Paulo", datetime(2026, 12, 1, 14, 0, tzinfo=UTC), "1 Dec 2026, 11:00 UTC-03:00"),
        ("Mars/Olympus", datetime(2026, 12, 1, 14, 0, tzinfo=UTC), "1 Dec 2026, 14:00 UTC"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{value:%m%dT%H%M}",
)
def test_a_moment_is_written_in_the_zone_of_who_reads(app: Flask, zone_name: str, moment: datetime, words: str) -> None:
    with app.test_request_context():
        g.preferences = Preferences(zone_name)
        g._login_user = Somebody()  # noqa: SLF001 - Flask-Login keeps who is there under this name.
        assert wording.clock(moment) == words
        assert wording.date(moment) == words.partition(",")[0]
        assert wording.until(moment - timedelta(days=3), 3 * 86_400) == words.partition(",")[0]


class Somebody:
    """Who is signed in."""

    is_authenticated = True


def test_a_day_is_a_day_in_every_zone(app: Flask) -> None:
    with app.test_request_context():
        g.preferences = Preferences("Pacific/Auckland")
        g._login_user = Somebody()  # noqa: SLF001 - as above.
        assert wording.date(date(2026, 12, 1)) == "1 Dec 2026"


def test_where_nobody_is_signed_in_times_are_in_utc(app: Flask) -> None:
    assert zone() is not None
    assert wording.clock(datetime(2026, 12, 1, 14, 0, tzinfo=UTC)) == "1 Dec 2026, 14:00 UTC"
    with app.test_request_context():
        assert preferences() == Preferences()
        g.without_visitor = True
        g.preferences = Preferences("Europe/Berlin")
        assert preferences() == Preferences()
