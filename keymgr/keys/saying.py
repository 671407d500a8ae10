"""What people write about a request: tidied, and asked for again where it is missing or too long."""

from keymgr.keys.outcomes import Incomplete, Lack

TEXT_LENGTH_MAX = 2000


def tidy_text(text: str, field: str, wanted: str = "") -> str | Incomplete:
    """Tidy a text of at most 2000 characters; `wanted` is the sentence for one that must not be empty."""
    tidied = text.replace("\r\n", "\n").strip()
    if wanted and not tidied:
        return Incomplete((Lack(field, wanted),))
    if len(tidied) > TEXT_LENGTH_MAX:
        return Incomplete((Lack(field, f"Write at most {TEXT_LENGTH_MAX} characters; this has {len(tidied)}."),))
    if "\0" in tidied:
        return Incomplete((Lack(field, "Take out the characters that cannot be printed."),))
    return tidied
