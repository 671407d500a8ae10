"""Secrets of ours in what people write: a leaked key is pasted into a note sooner than one thinks."""

import re
from typing import Final

from keymgr.tokens.identifiers import ULID_PATTERN

_OURS: Final = re.compile(
    rf"km_[a-z0-9_]{{1,63}}_{ULID_PATTERN}_[0-9A-Za-z]{{16,}}"
    rf"|km[ps]_{ULID_PATTERN}_[0-9A-Za-z]{{16,}}"
    r"|eyJ[0-9A-Za-z_-]{10,}\.eyJ[0-9A-Za-z_-]{10,}(?:\.[0-9A-Za-z_-]*)?"
)
_INSTEAD: Final = "(a key was here)"


def holds_secret(text: str) -> bool:
    """Tell whether a key, a credential or a token stands in the text, whole or with its end cut off."""
    return _OURS.search(text) is not None


def without_secrets(text: str) -> str:
    """Return the text with other words in place of each of them."""
    return _OURS.sub(_INSTEAD, text)
