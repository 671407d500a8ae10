"""Lengths of time as policy writes them: a whole number and one unit, such as `90d` or `72h`."""

import re

from keymgr.policy.problems import shown

DURATION = "^[1-9][0-9]{0,8}[smhdw]$"
SECONDS_MAX = 3650 * 86_400

_SHAPE = re.compile(r"([1-9][0-9]{0,8})([smhdw])", re.ASCII)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_REMEDY = "write a whole number above 0 and one of s, m, h, d, w, such as 90d or 72h"


class BadDurationError(ValueError):
    """Not a length of time that policy accepts; `remedy` says what to write."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


def parse_duration(text: str) -> int:
    """Return seconds. Months and years are refused because they have no fixed length."""
    match = _SHAPE.fullmatch(text)
    if match is None:
        raise BadDurationError(f'"{shown(text)}" is not a length of time', _REMEDY)
    seconds = int(match.group(1)) * _UNITS[match.group(2)]
    if seconds > SECONDS_MAX:
        raise BadDurationError(f"{text} is longer than ten years", "write 3650d or less")
    return seconds


def write_duration(seconds: int) -> str:
    """Return seconds as policy writes them, in the largest unit up to days that fits evenly."""
    unit = next(unit for unit in "dhms" if seconds % _UNITS[unit] == 0)
    return f"{seconds // _UNITS[unit]}{unit}"
