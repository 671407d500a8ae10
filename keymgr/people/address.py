"""Where a request comes from: the peer, or what proxies that we trust say about it."""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

from keymgr.policy.model import Network

_HOPS_MAX = 32


def client_address(peer: str, forwarded_for: str | None, trusted: Sequence[Network]) -> str:
    """Return the address of the client in its usual spelling.

    `forwarded_for` (X-Forwarded-For) counts only when the peer is a trusted proxy; then it is the rightmost hop that
    no trusted proxy is, because everything left of it was written by somebody we do not know. Junk means the peer.
    """
    if forwarded_for is None:
        return _spelt(peer)
    first = _parse(peer)
    if first is None:
        return peer
    if not _is_trusted(first, trusted):
        return str(first)
    hops = [_parse(hop) for hop in forwarded_for.split(",")]
    if len(hops) > _HOPS_MAX:
        return str(first)
    for hop in reversed(hops):
        if hop is None:
            return str(first)
        if not _is_trusted(hop, trusted):
            return str(hop)
    return str(hops[0])


@lru_cache(maxsize=4096)
def _spelt(peer: str) -> str:
    """Return a peer's address in its usual spelling; the same few come again and again."""
    first = _parse(peer)
    return peer if first is None else str(first)


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    """Read an address; an IPv4 address inside an IPv6 one is the IPv4 address, one with a zone is junk."""
    try:
        address = ip_address(text.strip())
    except ValueError:
        return None
    if isinstance(address, IPv4Address):
        return address
    if address.scope_id is not None:
        return None
    return address.ipv4_mapped or address


def _is_trusted(address: IPv4Address | IPv6Address, trusted: Sequence[Network]) -> bool:
    return any(address in network for network in trusted)
