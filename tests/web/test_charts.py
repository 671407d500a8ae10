"""Charts: what is drawn is what the table says, and every mark stays within its plot."""

import re
from itertools import pairwise
from typing import Any

import pytest
from bs4 import BeautifulSoup, Tag
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from keymgr.web.charts import HEIGHT, SPARK_HEIGHT, Series, across, histogram, lines, spark, stacked, top_of

COUNTS = st.integers(0, 10**9)
TABLES = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.lists(COUNTS, min_size=width, max_size=width), min_size=1, max_size=31)
)
ROUNDING = 0.001


def series_of(rows: list[list[int]]) -> list[Series]:
    columns = zip(*rows, strict=True)
    return [Series(f"Series {n}", f"s{n}", tuple(column)) for n, column in enumerate(columns, start=1)]


def labels_of(rows: list[Any]) -> list[str]:
    return [f"step {number}" for number in range(len(rows))]


@given(TABLES)
def test_bars_are_as_high_as_their_numbers_and_stand_on_each_other(rows: list[list[int]]) -> None:
    chart = stacked(labels_of(rows), series_of(rows))
    for number, (_, values) in enumerate(chart.plot.rows):
        column = [bars[number] for bars in chart.bars]
        assert [bar.value for bar in column] == list(values) == rows[number]
        assert column[0].y + column[0].height == pytest.approx(HEIGHT, abs=ROUNDING)
        for lower, upper in pairwise(column):
            assert upper.y + upper.height == pytest.approx(lower.y, abs=2 * ROUNDING)
        for bar in column:
            assert bar.height * chart.plot.top / HEIGHT == pytest.approx(bar.value, abs=ROUNDING * chart.plot.top)


@given(TABLES)
def test_every_bar_stays_within_the_plot_and_beside_its_neighbours(rows: list[list[int]]) -> None:
    chart = stacked(labels_of(rows), series_of(rows))
    for bars in chart.bars:
        assert all(bar.x >= 0 and bar.x + bar.width <= 100 + ROUNDING for bar in bars)
        assert all(bar.y >= -len(chart.bars) * ROUNDING and bar.y + bar.height <= HEIGHT + ROUNDING for bar in bars)
        assert all(left.x + left.width <= right.x + 2 * ROUNDING for left, right in pairwise(bars))


@given(TABLES)
def test_totals_and_the_peak_are_those_of_the_numbers(rows: list[list[int]]) -> None:
    chart = stacked(labels_of(rows), series_of(rows))
    sums = [sum(row) for row in rows]
    assert chart.plot.total == sum(sums)
    assert chart.peak == max(sums)
    assert sums[chart.plot.labels.index(chart.peak_at)] == chart.peak


@given(COUNTS)
def test_the_axis_ends_at_a_number_that_can_be_halved_and_holds_the_peak(peak: int) -> None:
    top = top_of(peak)
    assert top >= max(peak, 1)
    assert top <= max(1, 2 * peak)
    assert top == 1 or top % 2 == 0


@given(TABLES)
def test_lines_go_through_their_numbers_and_their_names_stay_apart(rows: list[list[int]]) -> None:
    chart = lines(labels_of(rows), series_of(rows), cut=(len(rows) / 2, "ends"))
    for line in chart.lines:
        points = [tuple(map(float, point.split(","))) for point in line.points.split()]
        assert all(0 < x < 100 for x, _ in points)
        back = [(HEIGHT - y) * chart.plot.top / HEIGHT for _, y in points]
        assert back == pytest.approx(list(line.series.values), abs=ROUNDING * chart.plot.top)
    places = sorted(line.label_at for line in chart.lines)
    assert all(lower - upper >= 16 - ROUNDING for upper, lower in pairwise(places))
    assert chart.cut is not None
    assert chart.cut.at == pytest.approx(50)


@given(st.lists(COUNTS, max_size=40))
def test_horizontal_bars_are_as_long_as_their_numbers(values: list[int]) -> None:
    chart = across([(str(number), value) for number, value in enumerate(values)])
    assert chart.total == sum(values)
    peak = max(values, default=0) or 1
    for (_, bar), value in zip(chart.rows, values, strict=True):
        assert bar.width * peak / 100 == pytest.approx(value, abs=ROUNDING * peak)


@given(st.lists(COUNTS, max_size=40), st.lists(COUNTS, max_size=40))
def test_a_sparkline_shows_everything_that_is_not_zero_and_nothing_else(good: list[int], bad: list[int]) -> None:
    drawn = spark(good, bad)
    for bar in (*drawn.accepted, *drawn.refused):
        assert (bar.height >= 1) is (bar.value > 0)
        assert bar.y >= -0.02
        assert bar.y + bar.height <= SPARK_HEIGHT + 0.02
        assert bar.x + bar.width <= drawn.width


def test_the_bars_of_a_histogram_touch() -> None:
    (bars,) = histogram(["a", "b", "c", "d"], "Keys", [1, 0, 4, 2]).bars
    assert [bar.x for bar in bars] == [0, 25, 50, 75]
    assert {bar.width for bar in bars} == {25}


def test_without_steps_there_is_nothing_to_draw() -> None:
    chart = stacked([], [Series("Calls", "s1", ())])
    assert (chart.peak, chart.peak_at, chart.plot.rows, chart.plot.across) == (0, "", (), ())
    assert lines([], [Series("Calls", "s1", ())]).lines[0].points == ""


def render(app: Flask, call: str, **values: object) -> BeautifulSoup:
    name = call.partition("(")[0]
    source = f'{{% from "macros/charts.html" import {name} %}}{{{{ {call} }}}}'
    with app.test_request_context():
        return BeautifulSoup(app.jinja_env.from_string(source).render(**values), "html.parser")


def number(tag: Tag) -> int:
    return int(tag.text.replace(",", ""))


ROWS = [[900, 0, 3, 0], [0, 0, 0, 0], [1200, 40, 0, 7], [350, 0, 0, 0], [1, 1, 1, 1]]


def test_plotted_values_equal_the_table(app: Flask) -> None:
    chart = stacked(labels_of(ROWS), series_of(ROWS))
    page = render(app, "stacked_bars(chart, 'usage', 'Calls', 'Day')", chart=chart)
    cells = [[number(cell) for cell in row.select("td")] for row in page.select("tbody tr")]
    assert cells == ROWS
    names = [heading.text for heading in page.select("thead th")]
    assert names == ["Day", "Series 1", "Series 2", "Series 3", "Series 4"]
    slot = 100 / len(ROWS)
    drawn = [[0.0] * 4 for _ in ROWS]
    for rect in page.select(".area rect"):
        step = int(float(str(rect["x"]).rstrip("%")) // slot)
        mark = next(name for name in rect["class"] if re.fullmatch(r"s\d", name))
        drawn[step][int(mark[1]) - 1] = float(str(rect["height"])) * chart.plot.top / HEIGHT
    assert drawn == [pytest.approx(row, abs=ROUNDING * chart.plot.top) for row in ROWS]


def test_each_series_has_its_pattern_its_name_and_its_total(app: Flask) -> None:
    page = render(app, "stacked_bars(chart, 'u', 'Calls', 'Day')", chart=stacked(labels_of(ROWS), series_of(ROWS)))
    words = [item.get_text(" ", strip=True) for item in page.select(".series li")]
    assert words == ["Series 1 2,451", "Series 2 41", "Series 3 4", "Series 4 8"]
    fills = {(rect["class"][0], rect.get("fill")) for rect in page.select("rect")}
    assert fills == {("s1", None), ("s2", "url(#p-s2)"), ("s3", "url(#p-s3)"), ("s4", "url(#p-s4)")}


@pytest.mark.parametrize(
    ("call", "chart"),
    [
        ("stacked_bars(chart, 'u', 'Calls of 5 days.', 'Day')", stacked(labels_of(ROWS), series_of(ROWS))),
        ("line_chart(chart, 'u', 'Calls of 5 days.', 'Day')", lines(labels_of(ROWS), series_of(ROWS), cut=(4, "ends"))),
        ("bars_across(chart, 'Calls of 5 days.', 'Key', 'Calls')", across([("a", 3), ("b", 0)])),
    ],
    ids=["stacked", "lines", "across"],
)
def test_a_chart_has_its_sentence_a_table_and_no_inline_style(app: Flask, call: str, chart: object) -> None:
    page = render(app, call, chart=chart)
    assert "Calls of 5 days." in page.text
    assert page.select_one("figure table caption") is not None
    assert page.select("table th[scope=col]")
    assert page.select("table th[scope=row]")
    assert not page.select("[style]")
    for drawing in page.select("svg"):
        assert drawing.get("role") == "img" or drawing.get("aria-hidden") == "true" or drawing.find_parent("svg")
    for labelled in page.select("[aria-labelledby]"):
        assert page.find(id=labelled["aria-labelledby"]) is not None


def test_the_numbers_of_horizontal_bars_are_the_table(app: Flask) -> None:
    chart = across([("Active", 12), ("Expired", 3), ("Revoked", 0)])
    page = render(app, "bars_across(chart, 'Keys', 'Status', 'Keys')", chart=chart)
    told = [(row.th.text, number(row.select(".num")[0]), row.rect["width"]) for row in page.select("tbody tr")]  # type: ignore[union-attr, index]  # the macro draws all three.
    assert told == [("Active", 12, "100.0%"), ("Expired", 3, "25.0%"), ("Revoked", 0, "0.0%")]


def test_a_sparkline_is_silent_because_its_cell_says_the_number(app: Flask) -> None:
    page = render(app, "sparkline([1, 0, 3], [0, 2, 0])")
    assert [rect["class"] for rect in page.select("rect")] == [["s1"], ["s1"], ["s3"]]
    assert page.svg is not None
    assert page.svg["aria-hidden"] == "true"
