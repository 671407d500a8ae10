"""What an unquoted scalar means: true, false, null, a decimal integer, or text, and never a guess.

YAML 1.1 and 1.2, and one library and the next, read words such as `NO`, `1:30`, `0755`, `1.10` or a bare date
differently. Whoever reviews the file and whoever loads it must see the same value, so those are refused.
"""

import re

_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,14}")
_AMBIGUOUS = re.compile(
    r"""
      ~ | = | << | null | true | false | yes | no | on | off | y | n      # words that some readers turn into values
    | [-+]?[0-9][0-9_]*                                                   # +5, 0755, 1_000, numbers beyond 15 digits
    | [-+]?0[xob][0-9a-f_]+                                               # other bases
    | [-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?                        # base 60: 1:30, 12:30:45
    | [-+]?([0-9][0-9_]*)?\.[0-9_]*(e[-+]?[0-9]+)?                        # 1.10, .5, 1.
    | [-+]?[0-9][0-9_]*e[-+]?[0-9]+                                       # 1e3
    | [-+]?\.inf | \.nan
    | [0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([t\ ].*)?                            # dates and times
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)


class AmbiguousError(ValueError):
    """An unquoted scalar that two readers may take for two values."""


def interpret(text: str) -> str | int | bool | None:
    """Return the one value of an unquoted scalar; raise `AmbiguousError` where there is more than one."""
    if text in {"", "null"}:
        return None
    if text in {"true", "false"}:
        return text == "true"
    if _INTEGER.fullmatch(text):
        return int(text)
    if _AMBIGUOUS.fullmatch(text):
        raise AmbiguousError(text)
    return text
