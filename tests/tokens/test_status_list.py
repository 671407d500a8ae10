import base64
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keymgr.tokens.status_list import encode


def bits(encoded: str) -> bytes:
    return zlib.decompress(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))


def test_the_list_is_the_one_in_the_specification() -> None:
    assert encode(16, [0, 3, 4, 5, 7, 8, 9, 13, 15]) == "eNrbuRgAAhcBXQ"


@given(st.integers(1, 2000), st.data())
def test_exactly_the_revoked_are_marked(size: int, data: st.DataObject) -> None:
    revoked = data.draw(st.sets(st.integers(0, size - 1)))
    raw = bits(encode(size, revoked))
    assert {index for index in range(len(raw) * 8) if raw[index >> 3] >> (index & 7) & 1} == revoked
    assert len(raw) == (size + 7) // 8


def test_a_million_credentials_fit_into_a_few_kilobytes() -> None:
    assert len(encode(1_000_000, range(0, 1_000_000, 1000))) < 8000


@pytest.mark.parametrize("index", [-1, 8, 100])
def test_an_index_outside_the_list_is_refused(index: int) -> None:
    with pytest.raises(ValueError, match="outside a list of 8"):
        encode(8, [index])
