"""How private keys rest in the database: AES-256-GCM envelopes under a key-encryption key that is kept elsewhere.

Each sealed row has a data key of its own. The key-encryption key (KEK) encrypts only that data key, and the data key
encrypts the row. Row and KEK id are authenticated with it, so that two rows cannot be swapped unnoticed.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEK_BYTES: Final = 32

_VERSION: Final = b"\x01"
_NONCE_BYTES: Final = 12
_WRAPPED_BYTES: Final = _NONCE_BYTES + KEK_BYTES + 16
_SHORTEST: Final = len(_VERSION) + _WRAPPED_BYTES + _NONCE_BYTES + 16


class VaultError(Exception):
    """Something sealed cannot be opened, or nothing can be sealed; the message says what to do."""


class UnknownKekError(VaultError):
    """The key-encryption key that sealed this row, or that should seal, is not configured."""


class WrongKekError(VaultError):
    """A key-encryption key of this name is configured, but it is not the one that sealed the row."""


class DamagedRowError(VaultError):
    """The sealed bytes were changed, cut, or moved from another row."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """What is stored: which key-encryption key, and the envelope."""

    kek_id: str
    blob: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Vault:
    """Seals with the key-encryption key named `current`, opens with any of `keks`.

    Raises VaultError when `current` is not among them or a key is not 32 bytes long.
    """

    keks: Mapping[str, bytes] = field(repr=False)
    current: str

    def __post_init__(self) -> None:
        if self.current not in self.keks:
            raise UnknownKekError(f"The key-encryption key {self.current!r} that should seal is not configured.")
        for kek_id, kek in self.keks.items():
            if len(kek) != KEK_BYTES:
                raise VaultError(
                    f"The key-encryption key {kek_id!r} has {len(kek)} bytes; it needs exactly {KEK_BYTES}."
                )

    def seal(self, plaintext: bytes, *, row: str) -> Sealed:
        """Encrypt for one row, named as `table:id`, under a fresh data key."""
        data_key = AESGCM.generate_key(bit_length=256)
        wrapped = _encrypt(self.keks[self.current], data_key, _kek_context(self.current))
        return Sealed(self.current, _VERSION + wrapped + _encrypt(data_key, plaintext, _row_context(self.current, row)))

    def unseal(self, kek_id: str, blob: bytes, *, row: str) -> bytes:
        """Decrypt what was sealed for this row. Raises UnknownKekError, WrongKekError or DamagedRowError."""
        kek = self.keks.get(kek_id)
        if kek is None:
            raise UnknownKekError(
                f"{row} is sealed with the key-encryption key {kek_id!r}, which is not configured; add it."
            )
        if len(blob) < _SHORTEST or not blob.startswith(_VERSION):
            raise DamagedRowError(f"What is stored in {row} is not an envelope of ours; restore the row from a backup.")
        wrapped, body = blob[1 : 1 + _WRAPPED_BYTES], blob[1 + _WRAPPED_BYTES :]
        try:
            data_key = _decrypt(kek, wrapped, _kek_context(kek_id))
        except InvalidTag as error:
            raise WrongKekError(
                f"{row} cannot be opened: the configured key-encryption key {kek_id!r} is not the one that sealed it, "
                "or the row was changed. Configure the right one under this name.",
            ) from error
        try:
            return _decrypt(data_key, body, _row_context(kek_id, row))
        except InvalidTag as error:
            raise DamagedRowError(
                f"{row} was changed or swapped with another row; restore it from a backup."
            ) from error

    def reseal(self, kek_id: str, blob: bytes, *, row: str) -> Sealed:
        """Open a row and seal it under the current key-encryption key: one step of a KEK rotation, repeatable."""
        return self.seal(self.unseal(kek_id, blob, row=row), row=row)


def _kek_context(kek_id: str) -> bytes:
    return _context(b"keymgr data key", kek_id)


def _row_context(kek_id: str, row: str) -> bytes:
    return _context(b"keymgr row", kek_id, row)


def _context(purpose: bytes, *parts: str) -> bytes:
    """Join what is authenticated; each part carries its length, so that no two different lists look alike."""
    pieces = (purpose, *(part.encode("utf-8") for part in parts))
    return b"".join(len(piece).to_bytes(4) + piece for piece in pieces)


def _encrypt(key: bytes, plaintext: bytes, context: bytes) -> bytes:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plaintext, context)


def _decrypt(key: bytes, sealed: bytes, context: bytes) -> bytes:
    return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], context)
