"""Where a request comes from is what the peer says only if we trust the peer."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keymgr.people.address import client_address

PROXIES = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "address"),
    [
        ("198.51.100.7", None, "198.51.100.7"),
        ("198.51.100.7", "203.0.113.1", "198.51.100.7"),
        ("10.0.0.1", None, "10.0.0.1"),
        ("10.0.0.1", "203.0.113.1", "203.0.113.1"),
        ("10.0.0.1", "1.1.1.1, 203.0.113.1", "203.0.113.1"),
        ("10.0.0.1", "1.1.1.1, 203.0.113.1 , 10.9.9.9", "203.0.113.1"),
        ("10.0.0.1", "10.3.3.3,10.2.2.2", "10.3.3.3"),
        ("fd00::1", "2001:db8::1", "2001:db8::1"),
        ("::ffff:10.0.0.1", "203.0.113.1", "203.0.113.1"),
        ("::ffff:198.51.100.7", "203.0.113.1", "198.51.100.7"),
        ("10.0.0.1", "::ffff:203.0.113.1", "203.0.113.1"),
        ("2001:DB8:0::1", None, "2001:db8::1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "unknown", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.1:4711", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.1, junk", "10.0.0.1"),
        ("10.0.0.1", "junk, 203.0.113.1", "203.0.113.1"),
        ("10.0.0.1", "fe80::1%eth0", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.1," * 40 + "10.0.0.2", "10.0.0.1"),
        ("fe80::1%eth0", "203.0.113.1", "fe80::1%eth0"),
        ("", "203.0.113.1", ""),
    ],
)
def test_the_client_is_the_rightmost_hop_that_we_do_not_trust(
    peer: str, forwarded_for: str | None, address: str
) -> None:
    assert client_address(peer, forwarded_for, PROXIES) == address


@given(st.text() | st.none())
def test_without_trusted_proxies_nothing_that_is_sent_counts(forwarded_for: str | None) -> None:
    assert client_address("10.0.0.1", forwarded_for, ()) == "10.0.0.1"


@given(st.text())
def test_whatever_is_sent_through_a_proxy_the_last_hop_decides(left: str) -> None:
    assert client_address("10.0.0.1", f"{left.replace(',', '')},203.0.113.1", PROXIES) == "203.0.113.1"
