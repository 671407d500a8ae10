"""The token that forms carry: Flask-WTF's, masked anew in each answer, so that a page's length tells nothing of it.

Without the mask the same text would stand in every page, and who sees how well pages compress could find it out bit by
bit (the BREACH attack).
"""

import base64
import secrets
from itertools import cycle

from flask_wtf.csrf import CSRFProtect, generate_csrf

_MASK_BYTES = 16


class FormTokens(CSRFProtect):  # type: ignore[misc]  # Flask-WTF carries no types.
    """Checks tokens as they come back from forms."""

    def _get_csrf_token(self) -> str | None:
        found = super()._get_csrf_token()
        return None if found is None else unmasked(found)


def masked_token() -> str:
    """Return the token for a form of this answer."""
    return masked(generate_csrf())


def masked(token: str) -> str:
    """Hide a token under a random mask that stands before it."""
    mask = secrets.token_bytes(_MASK_BYTES)
    return base64.urlsafe_b64encode(mask + _under(mask, token.encode())).decode("ascii")


def unmasked(text: str) -> str:
    """Return what a form's text hides; something that is no token for what we never wrote."""
    try:
        raw = base64.b64decode(text.encode("ascii"), altchars=b"-_", validate=True)
        return _under(raw[:_MASK_BYTES], raw[_MASK_BYTES:]).decode("ascii")
    except ValueError:
        return "no token"


def _under(mask: bytes, data: bytes) -> bytes:
    return bytes(one ^ other for one, other in zip(data, cycle(mask), strict=False)) if mask else b""
