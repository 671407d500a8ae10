"""What people write about a request: tidied, and asked for again where it is missing or too long."""

from keymgr.keys.outcomes import Incomplete, Lack
from keymgr.tokens.spotting import holds_secret

TEXT_LENGTH_MAX = 2000
KEY_INSIDE = "There is a key in this text. Take it out, because others will read it, and revoke it if it leaked."
_TURNS = str.maketrans(dict.fromkeys("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"))
"""Characters that turn the direction of writing, by which a text can be made to look like another one."""


def tidy_text(text: str, field: str, wanted: str = "") -> str | Incomplete:
    """Tidy a text of at most 2000 characters; `wanted` is the sentence for one that must not be empty."""
    tidied = text.replace("\r\n", "\n").translate(_TURNS).strip()
    if wanted and not tidied:
        return Incomplete((Lack(field, wanted),))
    if len(tidied) > TEXT_LENGTH_MAX:
        return Incomplete((Lack(field, f"Write at most {TEXT_LENGTH_MAX} characters; this has {len(tidied)}."),))
    if "\0" in tidied:
        return Incomplete((Lack(field, "Take out the characters that cannot be printed."),))
    if holds_secret(tidied):
        return Incomplete((Lack(field, KEY_INSIDE),))
    return tidied
