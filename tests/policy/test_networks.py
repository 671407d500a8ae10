"""Networks as people type them."""

from ipaddress import ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keymgr.policy.networks import BadNetwork, in_order, inside, joined, overlaps, parse_network


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("10.20.0.0/16", "10.20.0.0/16"),
        (" 10.20.0.0/16 ", "10.20.0.0/16"),
        ("192.0.2.7", "192.0.2.7/32"),
        ("2001:DB8::/32", "2001:db8::/32"),
        ("2001:db8::1", "2001:db8::1/128"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("::/0", "::/0"),
    ],
)
def test_a_network_is_read_as_typed(text: str, network: str) -> None:
    assert parse_network(text) == ip_network(network)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("10.20.4.1/24", "10.20.4.1/24 has bits set behind its prefix; write 10.20.4.0/24"),
        ("2001:db8::1/64", "write 2001:db8::/64 for the network or 2001:db8::1/128 for one address"),
        ("::ffff:10.0.0.0/104", "::ffff:10.0.0.0/104 hides an IPv4 network in IPv6; write 10.0.0.0/8."),
        ("::ffff:10.1.2.3", "write 10.1.2.3/32."),
        ("fe80::1%eth0", "fe80::1%eth0 names a network interface; leave out the part from % on."),
        ("10.0.0.0/255.0.0.0", "is not a network"),
        ("10.0.0.0/08", "is not a network"),
        ("10.0.0.0/33", "is not a network"),
        ("010.0.0.0/8", "is not a network"),
        ("10.0.0/8", "is not a network"),
        ("example.org", "is not a network"),
        ("10.0.0.0 /8", "is not a network"),
        ("\u0661\u0660.0.0.0/8", "is not a network"),
        ("", "An empty line is not a network"),
        ("1" * 500, "…"),
    ],
)
def test_anything_else_is_refused_with_what_to_write(text: str, words: str) -> None:
    refused = parse_network(text)
    assert isinstance(refused, BadNetwork)
    assert words in refused.sentence
    assert len(refused.sentence) < 200


@settings(deadline=None)
@given(st.text(max_size=60))
def test_no_text_makes_the_reader_fail(text: str) -> None:
    parse_network(text)


@settings(deadline=None)
@given(st.ip_addresses(), st.integers(0, 128))
def test_a_network_read_back_from_its_own_words_is_the_same(address: object, bits: int) -> None:
    limit = 32 if "." in str(address) else 128
    network = ip_network(f"{address}/{min(bits, limit)}", strict=False)
    read = parse_network(str(network))
    assert read == network or isinstance(read, BadNetwork)


def test_touching_the_edge_of_a_network_is_inside_and_one_step_out_is_not() -> None:
    whole = [ip_network("10.20.0.0/16")]
    assert inside(ip_network("10.20.0.0/16"), whole)
    assert inside(ip_network("10.20.255.255/32"), whole)
    assert not inside(ip_network("10.21.0.0/32"), whole)
    assert not inside(ip_network("10.20.0.0/15"), whole)


def test_families_are_never_mixed() -> None:
    assert not inside(ip_network("10.0.0.0/8"), [ip_network("::/0")])
    assert not inside(ip_network("2001:db8::/32"), [ip_network("0.0.0.0/0")])
    assert not overlaps(ip_network("2001:db8::/32"), [ip_network("0.0.0.0/0")])


def test_overlap_is_seen_from_both_sides() -> None:
    assert overlaps(ip_network("10.0.0.0/8"), [ip_network("10.20.0.0/16")])
    assert overlaps(ip_network("10.20.0.0/16"), [ip_network("10.0.0.0/8")])


def test_two_halves_count_as_the_whole() -> None:
    halves = [ip_network("0.0.0.0/1"), ip_network("128.0.0.0/1"), ip_network("2001:db8::/32")]
    assert joined(halves) == (ip_network("0.0.0.0/0"), ip_network("2001:db8::/32"))


def test_order_and_repeats_of_typing_do_not_matter() -> None:
    one, two, six = ip_network("10.0.0.0/8"), ip_network("192.0.2.0/24"), ip_network("2001:db8::/32")
    assert in_order([six, two, one, two]) == (one, two, six)
