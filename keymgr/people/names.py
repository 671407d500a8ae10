"""What a sign-in name is: one spelling per person, so that no alias passes a check meant for another."""

import re
import unicodedata

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_LONGEST_INPUT = 200


class BadName(ValueError):  # noqa: N818 - the sentence a person reads; named as in the plan of this room.
    """The text is not a sign-in name; the message says what one looks like."""


def normalise(name: str) -> str:
    """Return the one spelling of a sign-in name: NFKC, case folded, outer spaces gone. Raises `BadName`."""
    if len(name) > _LONGEST_INPUT:
        raise BadName("A sign-in name has at most 63 characters.")
    spelling = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold()).strip()
    if not _NAME.fullmatch(spelling):
        raise BadName(
            "A sign-in name has at most 63 characters: letters a to z, digits, dots, hyphens and underscores, "
            "and it begins with a letter or a digit."
        )
    return spelling
