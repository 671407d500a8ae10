"""Geometry of the charts: numbers in, places of marks and ticks out. It knows no page, no colour and no clock.

Across, places are percentages of the plot's width, so that a chart fits every screen while its text keeps its size;
down, they are units of `HEIGHT`, from the top. Bars stand on zero.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

SPARK_HEIGHT = 24
_SPARK_STEP, _SPARK_WIDTH = 4, 3


@dataclass(frozen=True, slots=True)
class Bar:
    """One mark and the number that it shows."""

    x: float
    y: float
    width: float
    height: float
    value: int


@dataclass(frozen=True, slots=True)
class Spark:
    """A chart the size of a word: `refused` stands on `accepted`, one pair for each step of time."""

    width: int
    height: int
    accepted: tuple[Bar, ...]
    refused: tuple[Bar, ...]


def spark(accepted: Sequence[int], refused: Sequence[int] = ()) -> Spark:
    """Draw counts side by side, the largest sum at full height; what is not zero is at least one unit high."""
    pairs = tuple(zip_longest(accepted, refused, fillvalue=0))
    peak = max((sum(pair) for pair in pairs), default=0)
    lower, upper = [], []
    for number, (good, bad) in enumerate(pairs):
        x = number * _SPARK_STEP
        first = _spark_bar(x, SPARK_HEIGHT, good, peak)
        lower.append(first)
        upper.append(_spark_bar(x, first.y, bad, peak))
    return Spark(max(1, len(pairs) * _SPARK_STEP - 1), SPARK_HEIGHT, tuple(lower), tuple(upper))


def _spark_bar(x: int, floor: float, value: int, peak: int) -> Bar:
    height = max(1.0, round(value * (SPARK_HEIGHT - 1) / peak, 2)) if value else 0.0
    return Bar(x, round(floor - height, 2), _SPARK_WIDTH, height, value)
