"""Passwords: Argon2id hashes that cost the same whether or not the name exists, and what a good password is."""

import base64
import secrets
import threading
import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

HASHER = PasswordHasher()
"""RFC 9106's second choice: 64 MiB and about a tenth of a second for each hash."""

SHORTEST = 15
LONGEST = 200
_FEWEST_DIFFERENT = 5
_TOO_COMMON = (
    "password",
    "qwertyuiop",
    "asdfghjkl",
    "1234567890",
    "0123456789",
    "letmein",
    "iloveyou",
    "abcdefghij",
    "correcthorsebatterystaple",
    "administrator",
    "keymgr",
)
_CLEAR = "abcdefghjkmnpqrstuvwxyz23456789"
_SLOTS = threading.BoundedSemaphore(2)
"""How many hashes one process works out at once: each takes 64 MiB, and sign-in must not starve the rest."""


def hash_password(password: str, hasher: PasswordHasher = HASHER) -> str:
    """Hash a password under a fresh salt."""
    with _SLOTS:
        return hasher.hash(_bytes(password))


def fresh_password() -> str:
    """Make a password of almost 100 random bits that can be read out: five groups of four letters and digits."""
    return "-".join("".join(secrets.choice(_CLEAR) for _ in range(4)) for _ in range(5))


def verify(password_hash: str | None, password: str, hasher: PasswordHasher = HASHER) -> bool:
    """Tell whether the password fits; None (nobody, or nobody who may sign in) costs one computation as well."""
    with _SLOTS:
        try:
            hasher.verify(password_hash or _nobody(hasher), _bytes(password))
        except (VerificationError, InvalidHashError):
            return False
    return password_hash is not None


def check_strength(password: str) -> str | None:
    """Say what is wrong with a password for somebody who has no second factor; None when it is good."""
    text = _spelling(password)
    if len(text) < SHORTEST:
        return f"The password has {len(text)} characters. Use at least {SHORTEST}: several words are easy to remember."
    if len(text) > LONGEST:
        return f"The password has {len(text)} characters. Use at most {LONGEST}."
    if len(set(text)) < _FEWEST_DIFFERENT or _is_common(text):
        return (
            "The password is one of the first that somebody would guess. Use several words that do not belong together."
        )
    return None


def _is_common(text: str) -> bool:
    """Tell whether little is left once well-known words, digits and signs are taken away."""
    rest = "".join(character for character in text.casefold() if character.isalnum())
    for word in _TOO_COMMON:
        rest = rest.replace(word, "")
    return len(rest.strip("0123456789")) < _FEWEST_DIFFERENT


def _bytes(password: str) -> bytes:
    """Cut what is too long to be a password, but only after it has its one spelling and so that it fits none."""
    return _spelling(password)[: LONGEST + 1].encode("utf-8", "surrogatepass")


def _spelling(password: str) -> str:
    return unicodedata.normalize("NFKC", password)


def _nobody(hasher: PasswordHasher) -> str:
    """Write a hash that no password fits, with the hasher's own costs, without computing one."""
    salt, digest = (
        base64.b64encode(secrets.token_bytes(size)).rstrip(b"=").decode() for size in (hasher.salt_len, hasher.hash_len)
    )
    return f"$argon2id$v=19$m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}${salt}${digest}"
