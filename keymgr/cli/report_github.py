"""Workflow commands, which GitHub shows at the line in a pull request.

A step may show ten of each level and drops the rest silently, so nine are written and the tenth counts the others.
"""

from collections.abc import Iterator, Sequence

from keymgr.cli.report_remarks import Level, Remark, Told

SHOWN_MAX = 9


def render(told: Told) -> str:
    """Return a run as workflow commands, one a line, the outcome last as a notice."""
    lines = [line for level in Level for line in _level(level, [each for each in told.remarks if each.level is level])]
    return "\n".join([*lines, f"::notice::{_data(told.outcome)}"])


def _level(level: Level, remarks: Sequence[Remark]) -> Iterator[str]:
    for each in remarks[:SHOWN_MAX]:
        title = f"{each.code} {each.title}".strip()
        place = f"file={_property(each.file)},line={each.line},col={each.column},title={_property(title)}"
        yield f"::{level} {place}::{_data(each.message)}"
    rest = len(remarks) - SHOWN_MAX
    if rest > 0:
        yield f"::{level}::{_data(f'and {rest} more; run the command where you work to see all {len(remarks)}')}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
