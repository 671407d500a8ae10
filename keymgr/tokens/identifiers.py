"""Ids of what we store: a short prefix that names the kind, and a lower-case ULID that sorts by time."""

import re
from datetime import datetime
from typing import Final

ULID_PATTERN: Final = "[0-7][0-9a-hjkmnp-tv-z]{25}"

_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_PREFIX: Final = re.compile("[a-z]{3}")
_ENTROPY_BYTES: Final = 10


def new_id(prefix: str, now: datetime, entropy: bytes) -> str:
    """Make an id such as `key_01jd…`: a prefix and a ULID in Crockford's base32.

    The ULID holds 48 bits of milliseconds, then the first ten bytes of `entropy`. Raises ValueError for a prefix that
    is not three lower-case letters, a `now` without time zone, or too little entropy.
    """
    if not _PREFIX.fullmatch(prefix):
        raise ValueError(f"The id prefix {prefix!r} must be three lower-case letters, such as key or crd.")
    if now.tzinfo is None:
        raise ValueError("An id needs a time with a time zone; pass datetime.now(UTC) from the door.")
    if len(entropy) < _ENTROPY_BYTES:
        raise ValueError(f"An id needs {_ENTROPY_BYTES} random bytes, got {len(entropy)}; use secrets.token_bytes(10).")
    milliseconds = int(now.timestamp() * 1000)
    number = int.from_bytes(milliseconds.to_bytes(6) + entropy[:_ENTROPY_BYTES])
    return f"{prefix}_" + "".join(_ALPHABET[(number >> shift) & 31] for shift in range(125, -1, -5))
