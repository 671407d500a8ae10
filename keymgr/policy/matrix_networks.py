"""Finds one address that lies where it has to and nowhere it must not, by taking networks away from networks."""

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_network

from keymgr.policy.granting import Network
from keymgr.policy.networks import inside, overlaps

_EVERYWHERE: tuple[Network, ...] = (
    IPv4Network("192.0.2.0/24"),
    IPv6Network("2001:db8::/32"),
    IPv4Network("0.0.0.0/0"),
    IPv6Network("::/0"),
)
"""All addresses, those that are kept for examples first."""

_NEVER_ACCEPTED: tuple[Network, ...] = (IPv6Network("::ffff:0:0/96"),)


@lru_cache(maxsize=1024)
def free_host(inside_of: tuple[tuple[Network, ...], ...], outside_of: tuple[Network, ...] = ()) -> Network | None:
    """Return a network of one address that lies inside every list of `inside_of` and outside all of `outside_of`."""
    left = list(_EVERYWHERE)
    for allowed in inside_of:
        left = [overlap for network in left for other in allowed for overlap in _overlap(network, other)]
    for taken in (*_NEVER_ACCEPTED, *outside_of):
        left = [rest for network in left for rest in _without(network, taken)]
    return _first_host(min(left, key=lambda network: network.version)) if left else None


def _overlap(network: Network, other: Network) -> list[Network]:
    if inside(network, (other,)):
        return [network]
    return [other] if inside(other, (network,)) else []


def _without(network: Network, taken: Network) -> list[Network]:
    if not overlaps(network, (taken,)):
        return [network]
    if inside(network, (taken,)):
        return []
    if isinstance(network, IPv4Network) and isinstance(taken, IPv4Network):
        return sorted(network.address_exclude(taken))
    if isinstance(network, IPv6Network) and isinstance(taken, IPv6Network):
        return sorted(network.address_exclude(taken))
    raise AssertionError("never asked of two families")  # pragma: no cover - callers compare one family only.


def _first_host(network: Network) -> Network:
    """Return the first address; where there is room, not the one that names the network itself."""
    address = network.network_address
    chosen = address + 1 if network.num_addresses > 2 else address  # noqa: PLR2004 - one beside the two ends.
    return ip_network((int(chosen), 32)) if isinstance(chosen, IPv4Address) else IPv6Network((int(chosen), 128))
