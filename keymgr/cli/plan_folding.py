"""Fits a long plan under a cap without losing a line: rows that do not fit are folded into rows that count them."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table, with the labels of the rows it may be folded into, the finest first; `counts` what it is."""

    cells: tuple[str, ...]
    folds: tuple[tuple[str, ...], ...]
    counts: int = 1


@dataclass(frozen=True, slots=True)
class Section:
    """A table behind a summary. Sections with a lower `rank` keep their rows longest."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    unit: str
    rank: int

    def levels(self) -> list[str]:
        """Return the section in full, then folded more and more; the last one is short whatever there is."""
        total = sum(row.counts for row in self.rows)
        depth = len(self.rows[0].folds)
        folded = [self._block(f"{self.title} ({total}), folded", self._folded(level)) for level in range(depth)]
        return [self._block(f"{self.title} ({total})", [row.cells for row in self.rows]), *folded]

    def _folded(self, level: int) -> list[tuple[str, ...]]:
        sums: defaultdict[tuple[str, ...], int] = defaultdict(int)
        for row in self.rows:
            sums[row.folds[level]] += row.counts
        width = len(self.columns) - 1
        return [(*(*labels, *[""] * width)[:width], f"{number} {self.unit}") for labels, number in sums.items()]

    def _block(self, title: str, rows: Sequence[tuple[str, ...]]) -> str:
        lines = [f"| {' | '.join(cells)} |" for cells in (self.columns, ("---",) * len(self.columns), *rows)]
        return "\n".join([f"<details><summary>{title}</summary>", "", *lines, "", "</details>"])


def fitted(sections: Sequence[Section], room: int) -> str:
    """Return the sections in their order, each as fine as there is room for, the lowest rank first."""
    shown = [section for section in sections if section.rows]
    levels = [section.levels() for section in shown]
    chosen = [options[-1] for options in levels]
    for number in sorted(range(len(shown)), key=lambda number: shown[number].rank):
        others = sum(len(text) + 2 for other, text in enumerate(chosen) if other != number)
        chosen[number] = next((text for text in levels[number] if others + len(text) <= room), chosen[number])
    return "\n\n".join(chosen)
