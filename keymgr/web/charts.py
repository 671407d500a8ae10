"""Geometry of the charts: numbers in, places of marks and ticks out. It knows no page, no colour and no clock.

Across, places are percentages of the plot's width, so that a chart fits every screen while its text keeps its size;
down, they are units of `HEIGHT`, from the top. Marks stand on zero. Series are marked `s1` to `s4`: a colour and a
pattern each. A chart keeps the numbers it was drawn from, and its table is written from the same ones.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

HEIGHT = 160
SPARK_HEIGHT = 24
_SPARK_STEP, _SPARK_WIDTH = 4, 3
_SHARE = 0.72
_STEPS = (2, 4, 6, 8, 10)


@dataclass(frozen=True, slots=True)
class Bar:
    """One mark and the number that it shows."""

    x: float
    y: float
    width: float
    height: float
    value: int


@dataclass(frozen=True, slots=True)
class Tick:
    """One label of an axis: where it is, and on which side of that place its text stands."""

    at: float
    label: str
    anchor: str = "middle"


@dataclass(frozen=True, slots=True)
class Series:
    """Numbers under one name, one for each step of the chart; `mark` is its class of the style sheet."""

    name: str
    mark: str
    values: tuple[int, ...]

    @property
    def total(self) -> int:
        """All of its numbers together."""
        return sum(self.values)


@dataclass(frozen=True, slots=True)
class Plot:
    """What all charts over steps have: names of the steps, the series, and both axes; `top` is the axis' upper end."""

    labels: tuple[str, ...]
    series: tuple[Series, ...]
    top: int
    across: tuple[Tick, ...]

    @property
    def down(self) -> tuple[int, ...]:
        """The numbers at the axis, from the top to zero, evenly spaced."""
        return (self.top, self.top // 2, 0) if self.top > 1 else (self.top, 0)

    @property
    def rows(self) -> tuple[tuple[str, tuple[int, ...]], ...]:
        """The table: each step with the number of each series, as far as there are numbers."""
        columns = [series.values for series in self.series]
        return tuple(zip(self.labels, zip(*columns, strict=True), strict=False))

    @property
    def total(self) -> int:
        """All numbers of all series together."""
        return sum(series.total for series in self.series)


@dataclass(frozen=True, slots=True)
class Stacked:
    """Bars over steps, one series on top of the other; `bars` has one tuple for each series."""

    plot: Plot
    bars: tuple[tuple[Bar, ...], ...]
    peak: int
    peak_at: str


@dataclass(frozen=True, slots=True)
class Line:
    """One series as a line; `points` are pairs for SVG, its name stands at the end of it, `label_at` from the top."""

    series: Series
    points: str
    end: Tick
    label_at: float


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines over steps; `cut` is where something ends, None where nothing does."""

    plot: Plot
    lines: tuple[Line, ...]
    cut: Tick | None


@dataclass(frozen=True, slots=True)
class Across:
    """Horizontal bars from the left, the largest one over the whole width; each with its name."""

    rows: tuple[tuple[str, Bar], ...]
    total: int


@dataclass(frozen=True, slots=True)
class Spark:
    """A chart the size of a word: `refused` stands on `accepted`, one pair for each step of time."""

    width: int
    height: int
    accepted: tuple[Bar, ...]
    refused: tuple[Bar, ...]


def stacked(labels: Sequence[str], series: Sequence[Series], *, share: float = _SHARE) -> Stacked:
    """Stack the series in their order; a bar takes `share` of the width of its step."""
    sums = tuple(sum(values) for values in zip(*(each.values for each in series), strict=True))
    peak = max(sums, default=0)
    plot = _plot(labels, series, peak)
    floors = [float(HEIGHT)] * len(plot.labels)
    bars = []
    for each in plot.series:
        drawn = tuple(_bar(number, value, floors[number], plot, share) for number, value in enumerate(each.values))
        floors = [bar.y for bar in drawn]
        bars.append(drawn)
    return Stacked(plot, tuple(bars), peak, plot.labels[sums.index(peak)] if sums else "")


def histogram(labels: Sequence[str], name: str, values: Sequence[int]) -> Stacked:
    """Draw how many fall into each of the steps; the bars of a histogram touch."""
    return stacked(labels, (Series(name, "s1", tuple(values)),), share=1.0)


def lines(labels: Sequence[str], series: Sequence[Series], *, cut: tuple[float, str] | None = None) -> Lines:
    """Draw each series as a line; `cut` is a number of steps from the left, with what ends there.

    There may be more steps than numbers: what is still to come has its place on the axis, but no mark.
    """
    plot = _plot(labels, series, max((max(each.values, default=0) for each in series), default=0))
    ends = [_down(each.values[-1] if each.values else 0, plot.top) for each in plot.series]
    drawn = tuple(_line(each, at, plot) for each, at in zip(plot.series, _apart(ends), strict=True))
    return Lines(plot, drawn, None if cut is None else _tick(_percent(cut[0], max(1, len(labels))), cut[1]))


def across(rows: Sequence[tuple[str, int]]) -> Across:
    """Draw one horizontal bar for each name, in the order given."""
    peak = max((value for _, value in rows), default=0)
    drawn = tuple((name, Bar(0.0, 0.0, _percent(value, peak or 1), 1.0, value)) for name, value in rows)
    return Across(drawn, sum(value for _, value in rows))


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


def top_of(peak: int) -> int:
    """Choose the upper end of an axis: the next number that is easily read and halved."""
    if peak <= 1:
        return 1
    size = int(10 ** (len(str(peak - 1)) - 1))
    return next(step * size for step in _STEPS if step * size >= peak)


def _plot(labels: Sequence[str], series: Sequence[Series], peak: int) -> Plot:
    return Plot(tuple(labels), tuple(series), top_of(peak), tuple(_across(labels)))


def _across(labels: Sequence[str]) -> Iterator[Tick]:
    """Name the first step, the middle one and the last: what fits on the smallest screen."""
    last = len(labels) - 1
    if last >= 0:
        yield Tick(0.0, labels[0], "start")
    if last > 1 and last % 2 == 0:
        yield Tick(50.0, labels[last // 2], "middle")
    if last > 0:
        yield Tick(100.0, labels[last], "end")


def _bar(number: int, value: int, floor: float, plot: Plot, share: float) -> Bar:
    steps = len(plot.labels)
    height = round(value * HEIGHT / plot.top, 3)
    x = _percent(number + (1 - share) / 2, steps)
    return Bar(x, round(floor - height, 3), _percent(share, steps), height, value)


def _line(series: Series, label_at: float, plot: Plot) -> Line:
    steps = len(plot.labels)
    places = ((_percent(number + 0.5, steps), _down(value, plot.top)) for number, value in enumerate(series.values))
    end = _tick(_percent(max(0.0, len(series.values) - 0.5), max(1, steps)), series.name)
    return Line(series, " ".join(f"{x},{y}" for x, y in places), end, label_at)


def _apart(ends: Sequence[float], least: float = 16.0) -> list[float]:
    """Move the names of lines that end close together apart, so that each can be read."""
    places = list(ends)
    order = sorted(range(len(ends)), key=lambda number: ends[number], reverse=True)
    floor = float(HEIGHT) - 4
    for number in order:
        places[number] = min(places[number] - 6, floor)
        floor = places[number] - least
    return places


def _tick(at: float, label: str) -> Tick:
    """Let the text stand on the side where there is more room."""
    return Tick(at, label, "end" if at > 50 else "start")  # noqa: PLR2004 - half of the width.


def _down(value: int, top: int) -> float:
    return round(HEIGHT - value * HEIGHT / top, 3)


def _percent(part: float, whole: float) -> float:
    return round(100 * part / whole, 3)


def _spark_bar(x: int, floor: float, value: int, peak: int) -> Bar:
    height = max(1.0, round(value * (SPARK_HEIGHT - 1) / peak, 2)) if value else 0.0
    return Bar(x, round(floor - height, 2), _SPARK_WIDTH, height, value)
