"""How far a moment is, in words: what a page says beside the time itself."""

from datetime import UTC, datetime, timedelta

import pytest

from keymgr.web.wording import distance

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SPANS = {
    "7 days": timedelta(days=7, minutes=-3),
    "2 days": timedelta(days=2, minutes=-3),
    "36 h": timedelta(hours=36, minutes=10),
    "1 h": timedelta(minutes=59, seconds=50),
    "30 min": timedelta(minutes=30, seconds=-1),
}


@pytest.mark.parametrize("words", SPANS)
def test_a_moment_is_as_far_as_the_nearest_unit_says(words: str) -> None:
    assert distance(NOW + SPANS[words], NOW) == f"in {words}"
    assert distance(NOW - SPANS[words], NOW) == f"{words} ago"


def test_less_than_a_minute_is_said_without_a_number() -> None:
    assert distance(NOW + timedelta(seconds=59), NOW) == "in less than a minute"
    assert distance(NOW - timedelta(seconds=59), NOW) == "just now"
