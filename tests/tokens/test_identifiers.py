import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keymgr.tokens.identifiers import ULID_PATTERN, new_id

MOMENTS = st.datetimes(datetime(1970, 1, 2), datetime(9999, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds are naive.


@given(MOMENTS, st.binary(min_size=10, max_size=10))
def test_an_id_is_its_prefix_and_a_lower_case_ulid(moment: datetime, entropy: bytes) -> None:
    assert re.fullmatch(f"key_{ULID_PATTERN}", new_id("key", moment, entropy))


@given(MOMENTS, st.integers(1, 10**9), st.binary(min_size=10, max_size=10), st.binary(min_size=10, max_size=10))
def test_ids_sort_by_time(moment: datetime, later_ms: int, first: bytes, second: bytes) -> None:
    earlier = moment - timedelta(milliseconds=later_ms) if moment.year > 1971 else moment
    if earlier < moment:
        assert new_id("crd", earlier, first) < new_id("crd", moment, second)


def test_an_id_is_the_ulid_that_the_specification_gives() -> None:
    moment = datetime.fromtimestamp(1469918176385 / 1000, UTC)
    assert new_id("key", moment, b"\x00" * 10) == "key_01aryz6s410000000000000000"


def test_entropy_beyond_ten_bytes_is_left_out(now: datetime) -> None:
    assert new_id("req", now, bytes(range(16))) == new_id("req", now, bytes(range(10)))


@pytest.mark.parametrize("prefix", ["", "KEY", "keys", "k1y", "key_"])
def test_a_prefix_that_is_not_three_letters_is_refused(prefix: str, now: datetime) -> None:
    with pytest.raises(ValueError, match="three lower-case letters"):
        new_id(prefix, now, b"\x00" * 10)


def test_a_time_without_zone_is_refused(now: datetime) -> None:
    with pytest.raises(ValueError, match="time zone"):
        new_id("key", now.replace(tzinfo=None), b"\x00" * 10)


def test_too_little_entropy_is_refused(now: datetime) -> None:
    with pytest.raises(ValueError, match="10 random bytes"):
        new_id("key", now, b"\x00" * 9)
