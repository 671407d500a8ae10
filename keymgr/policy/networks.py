"""Networks as people type them: which are accepted, what is wrong with the others, and what lies inside what."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network

from keymgr.policy.model import Network
from keymgr.policy.wording import shown

_SHAPE = re.compile(r"[0-9A-Fa-f:.]{2,45}(/(0|[1-9][0-9]{0,2}))?", re.ASCII)
_IPV4_MAPPED = IPv6Network("::ffff:0:0/96")
_IPV4_MAPPED_BITS = 96


@dataclass(frozen=True, slots=True)
class BadNetwork:
    """Why a text is not a network that a key can be bound to, and what to write instead."""

    sentence: str


@lru_cache(maxsize=1024)
def parse_network(text: str) -> Network | BadNetwork:
    """Read one network, such as `10.20.0.0/16` or `2001:db8::/32`; a bare address is a network of one.

    Host bits, zone ids, netmasks instead of a prefix length, and IPv4-mapped IPv6 are refused, never repaired.
    """
    typed = text.strip()
    if "%" in typed:
        return BadNetwork(f"{shown(typed)} names a network interface; leave out the part from % on.")
    if not _SHAPE.fullmatch(typed):
        return _not_a_network(typed)
    try:
        network = ip_network(typed, strict=False)
    except ValueError:
        return _not_a_network(typed)
    return _refused_form(typed, network) or network


def inside(network: Network, others: Iterable[Network]) -> bool:
    """Tell whether the whole network lies inside one of the others, families never mixed."""
    return any(_within(network, other) for other in others)


def overlaps(network: Network, others: Iterable[Network]) -> bool:
    """Tell whether the network shares an address with one of the others, families never mixed."""
    return any(_within(network, other) or _within(other, network) for other in others)


def joined(networks: Iterable[Network]) -> tuple[Network, ...]:
    """Merge neighbours, so that two halves of a network count as the whole."""
    return _joined(tuple(networks))


@lru_cache(maxsize=1024)
def _joined(listed: tuple[Network, ...]) -> tuple[Network, ...]:
    return (
        *collapse_addresses(network for network in listed if isinstance(network, IPv4Network)),
        *collapse_addresses(network for network in listed if isinstance(network, IPv6Network)),
    )


def in_order(networks: Iterable[Network]) -> tuple[Network, ...]:
    """Sort networks and drop repeats, so that the order of typing never matters."""
    return tuple(sorted(set(networks), key=lambda network: (network.version, network)))


def _within(network: Network, other: Network) -> bool:
    # subnet_of() says the same, three times slower.
    return (
        network.version == other.version and network.prefixlen >= other.prefixlen and network.network_address in other
    )


def _not_a_network(typed: str) -> BadNetwork:
    return BadNetwork(f"{shown(typed) or 'An empty line'} is not a network; write it as 10.20.0.0/16 or 2001:db8::/32.")


def _refused_form(typed: str, network: Network) -> BadNetwork | None:
    address = ip_network(typed.partition("/")[0])
    if address.network_address != network.network_address:
        return BadNetwork(
            f"{typed} has bits set behind its prefix; write {network} for the network or {address} for one address."
        )
    if isinstance(network, IPv6Network) and network.subnet_of(_IPV4_MAPPED):
        plain = IPv4Network((int(network.network_address) & 0xFFFFFFFF, network.prefixlen - _IPV4_MAPPED_BITS))
        return BadNetwork(f"{typed} hides an IPv4 network in IPv6; write {plain}.")
    return None
