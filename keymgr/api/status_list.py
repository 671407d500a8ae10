"""The published status list: which credentials are out of use, signed, for those who verify without asking us."""

import hashlib
import threading
from dataclasses import dataclass
from datetime import datetime

from keymgr.api.desk import Desk
from keymgr.keys.out_of_use import status_indexes_out_of_use
from keymgr.keys.signing_keys import load_keyring
from keymgr.tokens.signing import SigningKey, public_jwk
from keymgr.tokens.status_list import encode, wrap_status_list

# How long a verifier may keep the list, and so the bound of a revocation for those who verify offline.
TTL_SECONDS = 60
_EXPIRES_SECONDS = 15 * 60
_SIGNED_ANEW_SECONDS = 5 * 60
# A list of this size from the start tells nobody how many keys there are.
_SMALLEST = 1 << 17


@dataclass(frozen=True, slots=True)
class StatusList:
    """A signed list and its entity tag, which changes only when the list does or is signed anew."""

    token: str
    etag: str
    content: str
    signed_at: datetime


class StatusLists:
    """Remembers the last signed list: as long as nothing changes, the same bytes are served."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._last: StatusList | None = None
        self._lock = threading.Lock()

    def current(self, now: datetime) -> StatusList | None:
        """Return the list as it stands; None while there is no signing key with a public half to check it by."""
        with self._desk.reading() as session:
            ring = load_keyring(session, self._desk.issuer)
            taken, out_of_use = status_indexes_out_of_use(session, now)
        if ring is None or public_jwk(ring.active) is None:
            return None
        size = max(_SMALLEST, 1 << max(0, taken - 1).bit_length())
        return self._signed(encode(size, out_of_use), ring.active, now)

    def _signed(self, encoded: str, key: SigningKey, now: datetime) -> StatusList:
        content = hashlib.sha256(f"{key.kid} {encoded}".encode()).hexdigest()
        with self._lock:
            last = self._last
            if last is not None and last.content == content and _is_young(last, now):
                return last
            token = self._sign(encoded, key, now)
            self._last = StatusList(token, hashlib.sha256(token.encode()).hexdigest()[:32], content, now)
            return self._last

    def _sign(self, encoded: str, key: SigningKey, now: datetime) -> str:
        issued_at = int(now.timestamp())
        return wrap_status_list(
            encoded,
            key,
            issuer=self._desk.issuer.url,
            uri=self._desk.issuer.status_uri,
            issued_at=issued_at,
            expires_at=issued_at + _EXPIRES_SECONDS,
            ttl_seconds=TTL_SECONDS,
        )


def _is_young(last: StatusList, now: datetime) -> bool:
    return abs((now - last.signed_at).total_seconds()) < _SIGNED_ANEW_SECONDS
