"""A credential as the verifier knows it: everything parsed once, when it enters the cache."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from keymgr.keys.limiting import Window, windows_of
from keymgr.store.key_facts import CredentialFacts, SigningKeyFacts
from keymgr.store.keys import CredentialState, KeyState
from keymgr.store.people import PersonState
from keymgr.tokens import signing
from keymgr.tokens.signing import VerifyingKey
from keymgr.tokens.vault import Vault, VaultError
from keymgr.tokens.verdicts import VerdictCode

_ADDRESS_LENGTH_MAX = 64
_Ranges = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Known:
    """One credential with its key; `ranges` are the allowed networks as whole numbers, by IP version."""

    facts: CredentialFacts
    scopes: frozenset[str]
    ranges: Mapping[int, _Ranges]
    windows: tuple[Window, ...]

    @property
    def ends_at(self) -> int:
        """When the credential or its key expires, whichever is first; Unix time."""
        return min(self.facts.expires_at, self.facts.key_expires_at)

    def allows(self, address: str | None) -> bool:
        """Tell whether the key may be used from this address; a key with networks needs to be told one."""
        if not self.ranges:
            return True
        if address is None or len(address) > _ADDRESS_LENGTH_MAX:
            return False
        version, number = _numbered(address)
        return any(first <= number <= last for first, last in self.ranges.get(version, ()))


def know(facts: CredentialFacts) -> Known:
    """Parse what is stored; raises ValueError, TypeError or KeyError where it is not what issuing writes."""
    return Known(facts, frozenset(facts.scopes), _ranges(facts.cidrs), windows_of(facts))


def standing(known: Known, now: int) -> VerdictCode | None:
    """Say why the credential, its key or its owner is out of use at `now`; None when all three are good."""
    facts = known.facts
    if now >= known.ends_at:
        return VerdictCode.KEY_EXPIRED
    if facts.key_state is KeyState.REVOKED:
        return VerdictCode.KEY_REVOKED
    if not _is_current(facts, now):
        return VerdictCode.KEY_SUPERSEDED
    if facts.key_state is not KeyState.ACTIVE or facts.owner_state is not PersonState.ACTIVE:
        return VerdictCode.KEY_SUSPENDED
    return None


def know_signing_keys(rows: Sequence[SigningKeyFacts], vault: Vault) -> Mapping[str, VerifyingKey]:
    """Read the keys that verify; only the shared secrets of HS* keys are unsealed. Raises ValueError if one is bad."""
    return {row.kid: _verifying_key(row, vault) for row in rows}


def read_address(address: str | None) -> IPv4Address | IPv6Address | None:
    """Read an IP address, an IPv4 one written as IPv6 as what it is; None for anything else, zone ids included."""
    if address is None or "%" in address:
        return None
    try:
        found = ip_address(address)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found


@lru_cache(maxsize=16_384)
def _numbered(address: str) -> tuple[int, int]:
    """Return an address as IP version and whole number, version 0 for what is none; callers come again and again."""
    found = read_address(address)
    return (0, 0) if found is None else (found.version, int(found))


def _is_current(facts: CredentialFacts, now: int) -> bool:
    if facts.state is CredentialState.CURRENT:
        return True
    return facts.state is CredentialState.RETIRING and facts.retires_at is not None and now < facts.retires_at


def _ranges(cidrs: Iterable[str]) -> Mapping[int, _Ranges]:
    ranges: dict[int, _Ranges] = {}
    for cidr in cidrs:
        network = ip_network(cidr)
        both = (int(network.network_address), int(network.broadcast_address))
        ranges[network.version] = (*ranges.get(network.version, ()), both)
    return ranges


def _verifying_key(row: SigningKeyFacts, vault: Vault) -> VerifyingKey:
    if row.public_jwk is not None:
        return signing.from_public_jwk(row.public_jwk)
    try:
        secret = vault.unseal(row.kek_id, row.sealed, row=f"signing_key:{row.kid}")
    except VaultError as error:
        raise ValueError(str(error)) from error
    return signing.verifying_key(signing.from_bytes(signing.Algorithm(row.algorithm), secret))
