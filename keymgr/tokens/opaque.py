"""Opaque credentials: text with a prefix and a checksum, so that junk is refused without a look-up.

`km_<env>_<id>_<secret><crc>` is a key, `kms_<id>_<secret><crc>` is what a service presents to us, and
`kmp_<id>_<secret><crc>` what a pull-request job presents when it asks for a plan. The environment's hyphens are written
as underscores, so that one double-click selects the whole; the id is the credential's without its prefix. The checksum
is the CRC32 of everything before it, in six characters of base62 (0-9A-Za-z), like GitHub's.
"""

import base64
import binascii
import re
import zlib
from dataclasses import dataclass, field
from typing import Final

from keymgr.tokens.identifiers import ULID_PATTERN
from keymgr.tokens.secret import MAX_SECRET_BYTES, MIN_SECRET_BYTES

_BASE62: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CHECKSUM_LENGTH: Final = 6
_ENVIRONMENT: Final = re.compile("[a-z0-9][a-z0-9-]{0,62}")
_ID: Final = re.compile(f"([a-z]{{3}})_({ULID_PATTERN})")
_KEY: Final = re.compile(f"km_([a-z0-9][a-z0-9_]{{0,62}})_({ULID_PATTERN})_([0-9A-Za-z]{{43,86}})[0-9A-Za-z]{{6}}")
_PLAN: Final = re.compile(f"kmp_({ULID_PATTERN})_([0-9A-Za-z]{{43,86}})[0-9A-Za-z]{{6}}")
_SERVICE: Final = re.compile(f"kms_({ULID_PATTERN})_([0-9A-Za-z]{{43,86}})[0-9A-Za-z]{{6}}")

# How many base62 characters hold a secret of so many bytes; no two lengths share a width, so the way back is unique.
_WIDTHS: Final = {
    n_bytes: next(width for width in range(1, 100) if 62**width >= 256**n_bytes)
    for n_bytes in range(MIN_SECRET_BYTES, MAX_SECRET_BYTES + 1)
}
_LENGTHS: Final = {width: n_bytes for n_bytes, width in _WIDTHS.items()}


@dataclass(frozen=True, slots=True)
class Opaque:
    """What an opaque key says of itself, checksum verified; whether it is any good is another question."""

    environment: str
    credential_id: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class OpaqueService:
    """What an opaque service credential says of itself, checksum verified."""

    credential_id: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class OpaquePlan:
    """What an opaque plan credential says of itself, checksum verified."""

    credential_id: str
    secret: str = field(repr=False)


def render(environment: str, credential_id: str, secret: str) -> str:
    """Write a key's credential in its opaque form; `secret` comes from `mint` and is read back unchanged.

    Raises ValueError for an environment name, an id or a secret that is not of our making.
    """
    if not _ENVIRONMENT.fullmatch(environment):
        raise ValueError(f"The environment {environment!r} must be made of lower-case letters, digits and hyphens.")
    return _with_checksum(f"km_{environment.replace('-', '_')}_{_bare(credential_id, 'crd')}_{_to_base62(secret)}")


def recognise(text: str) -> Opaque | None:
    """Read an opaque key back; None when it is not one or its checksum is wrong. Looks nothing up and never raises."""
    match = _KEY.fullmatch(text)
    if match is None or not _checksum_fits(text):
        return None
    secret = _from_base62(match[3])
    return None if secret is None else Opaque(match[1].replace("_", "-"), f"crd_{match[2]}", secret)


def render_service_credential(credential_id: str, secret: str) -> str:
    """Write a service credential in its opaque form; raises ValueError for a foreign id or secret."""
    return _with_checksum(f"kms_{_bare(credential_id, 'svc')}_{_to_base62(secret)}")


def recognise_service_credential(text: str) -> OpaqueService | None:
    """Read an opaque service credential back; None when it is not one or its checksum is wrong. Never raises."""
    match = _SERVICE.fullmatch(text)
    if match is None or not _checksum_fits(text):
        return None
    secret = _from_base62(match[2])
    return None if secret is None else OpaqueService(f"svc_{match[1]}", secret)


def render_plan_credential(credential_id: str, secret: str) -> str:
    """Write a plan credential in its opaque form; raises ValueError for a foreign id or secret."""
    return _with_checksum(f"kmp_{_bare(credential_id, 'pln')}_{_to_base62(secret)}")


def recognise_plan_credential(text: str) -> OpaquePlan | None:
    """Read an opaque plan credential back; None when it is not one or its checksum is wrong. Never raises."""
    match = _PLAN.fullmatch(text)
    if match is None or not _checksum_fits(text):
        return None
    secret = _from_base62(match[2])
    return None if secret is None else OpaquePlan(f"pln_{match[1]}", secret)


def _bare(credential_id: str, prefix: str) -> str:
    match = _ID.fullmatch(credential_id)
    if match is None or match[1] != prefix:
        raise ValueError(f"{credential_id!r} is not an id that starts with {prefix}_; ids come from new_id.")
    return match[2]


def _with_checksum(body: str) -> str:
    return body + _digits(zlib.crc32(body.encode("ascii")), _CHECKSUM_LENGTH)


def _checksum_fits(text: str) -> bool:
    return _with_checksum(text[:-_CHECKSUM_LENGTH]) == text


def _to_base62(secret: str) -> str:
    try:
        raw = base64.b64decode(secret + "=" * (-len(secret) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) not in _WIDTHS or _to_base64(raw) != secret:
        raise ValueError("The secret of an opaque credential must come from mint: base64url of 32 to 64 bytes.")
    return _digits(int.from_bytes(raw), _WIDTHS[len(raw)])


def _from_base62(text: str) -> str | None:
    """Turn base62 back into the minted text; None for a width or a number that no minted secret has."""
    n_bytes = _LENGTHS.get(len(text))
    if n_bytes is None:
        return None
    number = 0
    for character in text:
        number = number * 62 + _BASE62.index(character)
    return _to_base64(number.to_bytes(n_bytes)) if number < 256**n_bytes else None


def _to_base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode("ascii").rstrip("=")


def _digits(number: int, width: int) -> str:
    """Write `number` in base62, left-padded to `width`."""
    digits = []
    for _ in range(width):
        number, rest = divmod(number, 62)
        digits.append(_BASE62[rest])
    return "".join(reversed(digits))
