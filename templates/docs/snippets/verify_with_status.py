"""Checks a key offline, revocation included. Lies beside verify_offline.py."""

import base64
import os
import time
import urllib.request
import zlib

import jwt
from verify_offline import ISSUER, jwks, verify

STATUS_LIST = "@STATUS@"


class StatusList:
    """The signed list of keys out of use, kept for as long as it says itself."""

    def __init__(self) -> None:
        self.bits = b""
        self.fresh_until = self.expires_at = 0.0

    def holds(self, place: dict) -> bool:
        """Say whether the key at this place is revoked, suspended or replaced."""
        if place["uri"] != STATUS_LIST:
            raise PermissionError("The token names another list.")
        if time.time() >= self.fresh_until:
            self.refresh()
        return bool(self.bits[place["idx"] >> 3] >> (place["idx"] & 7) & 1)

    def refresh(self) -> None:
        """Read the list anew; when that fails, the old one is good until it expires."""
        try:
            with urllib.request.urlopen(STATUS_LIST, timeout=3) as answer:
                token = answer.read().decode("ascii")
        except OSError:
            if time.time() < self.expires_at:
                return
            raise
        key = jwks.get_signing_key_from_jwt(token)
        found = jwt.decode_complete(
            token,
            key,
            algorithms=["@ALGORITHM@"],
            issuer=ISSUER,
            leeway=30,
        )
        claims = found["payload"]
        if found["header"].get("typ") != "statuslist+jwt" or claims["sub"] != STATUS_LIST:
            raise PermissionError("This is not the status list.")
        text = claims["status_list"]["lst"]
        self.bits = zlib.decompress(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        self.fresh_until, self.expires_at = time.time() + claims["ttl"], claims["exp"]


out_of_use = StatusList()


def verify_now(token: str, scope: str) -> dict:
    """Do the same as `verify`, and refuse what is out of use."""
    claims = verify(token, scope)
    if out_of_use.holds(claims["status"]["status_list"]):
        raise PermissionError("The key is revoked, suspended or replaced.")
    return claims


if __name__ == "__main__":
    print("good:", verify_now(os.environ["KEY"], "@SCOPE@")["sub"])
