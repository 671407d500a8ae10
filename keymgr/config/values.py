"""How the text of one variable becomes a value; a refusal is the rest of a sentence that begins with the variable."""

import base64
import difflib
import hashlib
import ipaddress
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")
_KEY_BYTES = 32
_PASSPHRASE_CHARACTERS = 32
_HOOK_CHARACTERS = 16
_SCP = re.compile(r"[A-Za-z0-9._-]+@[A-Za-z0-9.-]+:[A-Za-z0-9._/~-]+")
_BRANCH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/-]{0,199}")
_FOLDER = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_./ -]{0,199}")


def web_address(text: str) -> str:
    """Read an address of scheme, host and port; http only on this machine."""
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("is not a web address; write for example https://keys.example.com")
    if parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError("has more than a host and a port; write for example https://keys.example.com")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK_HOSTS:
        raise ValueError("would send secrets in the clear beyond this machine; write https:// instead of http://")
    return f"{parts.scheme}://{parts.netloc.lower()}"


def database(text: str) -> str:
    """Read a SQLAlchemy address of SQLite or PostgreSQL."""
    if not text.startswith(("sqlite:///", "postgresql://", "postgresql+psycopg://")):
        raise ValueError("is not a database address; write sqlite:///var/keymgr.db or postgresql://USER@HOST/NAME")
    return text


def path(text: str) -> Path:
    """Read a file or folder of this machine."""
    if "://" in text:
        raise ValueError("is not a file or folder of this machine; write for example var/keymgr")
    return Path(text)


def listening(text: str) -> str:
    """Read where a server listens, in gunicorn's own words."""
    host, _, port = text.rpartition(":")
    if text.startswith("unix:/") or (host and port.isascii() and port.isdecimal() and int(port[:6]) < 2**16):
        return text
    raise ValueError("is not where a server can listen; write 127.0.0.1:8000, [::1]:8000 or unix:/run/keymgr.sock")


def flag(text: str) -> bool:
    """Read yes or no."""
    words = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
    if text.lower() not in words:
        raise ValueError("is neither yes nor no; write true or false")
    return words[text.lower()]


def whole(low: int, high: int) -> Callable[[str], int]:
    """Make a reader of whole numbers between two bounds, both included."""

    def read(text: str) -> int:
        if not text.isascii() or not text.isdecimal() or not low <= int(text[:12]) <= high:
            raise ValueError(f"is not a whole number from {low} to {high}")
        return int(text)

    return read


def one_of(*words: str) -> Callable[[str], str]:
    """Make a reader of one word out of a closed list."""

    def read(text: str) -> str:
        if text in words:
            return text
        nearest = difflib.get_close_matches(text.lower(), {word.lower(): word for word in words}, n=1, cutoff=0.4)
        meant = [word for word in words if word.lower() in nearest]
        raise ValueError(f"is not one of {', '.join(words)}" + (f"; did you mean {meant[0]}?" if meant else ""))

    return read


def words(text: str) -> tuple[str, ...]:
    """Read a list, separated by commas, spaces or lines."""
    return tuple(text.replace(",", " ").split())


def networks(text: str) -> tuple[Network, ...]:
    """Read a list of networks; one with host bits set is refused, because it is nearly always a slip."""
    try:
        return tuple(ipaddress.ip_network(word) for word in words(text))
    except ValueError as error:
        raise ValueError(f"is not a list of networks ({error}); write for example 10.0.0.0/8, 2001:db8::/32") from error


def passphrase(text: str) -> str:
    """Read a secret that is used as text."""
    if len(text) < _PASSPHRASE_CHARACTERS:
        raise ValueError(f"is shorter than {_PASSPHRASE_CHARACTERS} characters; `keymgr init` writes a good one")
    return text


def pepper(text: str) -> bytes:
    """Read the key of the secrets' hashes."""
    raw = _base64(text)
    if len(raw) < _KEY_BYTES:
        raise ValueError(f"is shorter than {_KEY_BYTES} bytes; `keymgr init` writes a good one")
    return raw


def keks(text: str) -> tuple[tuple[str, bytes], ...]:
    """Read key-encryption keys, the current one first; one without an id is called after its own digest."""
    found: dict[str, bytes] = {}
    for word in words(text):
        name, _, encoded = word.rpartition(":")
        raw = _base64(encoded)
        if len(raw) != _KEY_BYTES:
            raise ValueError(
                f"is not {_KEY_BYTES} bytes (several are written id:base64); `keymgr init` writes a good one"
            )
        found[name or f"kek-{hashlib.sha256(raw).hexdigest()[:8]}"] = raw
    if len(found) != len(words(text)):
        raise ValueError("uses the same id twice; give each line its own id before the colon")
    return tuple(found.items())


def forge(text: str) -> str | None:
    """Read the address of a file on the forge, with the places to fill in; empty means there is none."""
    if not text:
        return None
    try:
        filled = text.format(commit="c", path="f", line=1)
    except (KeyError, IndexError, ValueError, AttributeError):
        filled = ""
    if "{path}" in text and filled.startswith(("https://", "http://")):
        return text
    raise ValueError("is not a file on a forge; write https://git.example/acme/policies/blob/{commit}/{path}#L{line}")


def forge_kind(text: str) -> str | None:
    """Read which forge calls; empty means none."""
    return one_of("github", "gitlab", "gitea")(text) if text else None


def hook_secret(text: str) -> str | None:
    """Read the secret shared with the forge; empty means that it may not call."""
    if text and len(text) < _HOOK_CHARACTERS:
        raise ValueError(
            f"is shorter than {_HOOK_CHARACTERS} characters; take a long random one, such as 64 hex digits"
        )
    if text.startswith("whsec_"):
        _base64(text.removeprefix("whsec_"))
    return text or None


def repository(text: str) -> str | None:
    """Read the address of a Git repository; empty means that nothing is fetched."""
    parts = urlsplit(text)
    local = parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS
    is_address = (parts.scheme in {"https", "ssh"} and parts.hostname) or local or text.startswith("file:///")
    if (text and not (is_address or _SCP.fullmatch(text))) or not text.isprintable() or " " in text:
        raise ValueError("is not a repository; write https://git.example/acme/policies.git, ssh://… or file:///…")
    return text or None


def branch(text: str) -> str:
    """Read the name of a branch."""
    if not _BRANCH.fullmatch(text) or ".." in text or text.endswith((".lock", "/", ".")) or "//" in text:
        raise ValueError("is not a branch; write for example main")
    return text


def folder_in_repository(text: str) -> str:
    """Read a folder by its path from the top of a repository; a single dot, or nothing after slashes, is the top."""
    plain = text.strip("/").removeprefix("./")
    if plain in {"", "."}:
        return ""
    if not _FOLDER.fullmatch(plain) or {"", ".", ".."} & set(plain.split("/")):
        raise ValueError("is not a folder of the repository; write for example policies, or . for its top")
    return plain


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except ValueError:
        raise ValueError("is not base64; `keymgr init` writes a good one") from None
