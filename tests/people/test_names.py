"""One spelling per person."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keymgr.people.names import BadName, normalise


@pytest.mark.parametrize(
    "alias", ["bob", "Bob", "BOB ", "\tbob\n", "\uff42\uff4f\uff42", "bo\N{MATHEMATICAL BOLD SMALL B}"]
)
def test_every_way_to_write_a_name_is_the_same_name(alias: str) -> None:
    assert normalise(alias) == "bob"


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "-bob",
        ".",
        "bob smith",
        "bob/x",
        "bob\x00",
        "b\u043eb",
        "b\u200bob",
        "b" * 64,
        "b" * 10_000,
        "bob:x",
        "a@b",
    ],
)
def test_what_is_no_name_is_refused_in_words(text: str) -> None:
    with pytest.raises(BadName, match="A sign-in name has at most 63 characters"):
        normalise(text)


@given(st.text(max_size=70))
def test_a_normal_name_stays_as_it_is(text: str) -> None:
    try:
        once = normalise(text)
    except BadName:
        return
    assert normalise(once) == once
