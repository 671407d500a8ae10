"""What a policy command has to tell, before a format is chosen; each `report_…` module writes it in one format."""

import importlib
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import click

from keymgr.policy.problems import Problem


class Level(StrEnum):
    """How much a remark weighs, in the words that all formats share."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Remark:
    """Something wrong at a place, `file` from where the command runs."""

    level: Level
    code: str
    title: str
    file: str
    line: int
    column: int
    message: str


@dataclass(frozen=True, slots=True)
class Case:
    """One thing that was checked; `failure` is empty when it is as it should be."""

    group: str
    name: str
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """All that one run tells; `outcome` is the sentence that sums it up."""

    command: str
    outcome: str
    remarks: tuple[Remark, ...] = ()
    cases: tuple[Case, ...] = ()


def say_in(form: str, told: Told) -> None:
    """Print a run in a format that has a module of its own, loaded only when it is asked for."""
    click.echo(importlib.import_module(f"keymgr.cli.report_{form}").render(told))


def path_of(folder: str, file: str) -> str:
    """Return the path of a policy file from where the command runs, so that terminals and forges find it."""
    return os.path.normpath(Path(folder, file))


def remark_of(folder: str, problem: Problem, *, level: Level = Level.ERROR, title: str = "") -> Remark:
    """Return the remark for a problem, with its remedy behind the message."""
    return Remark(
        level=level,
        code=problem.code,
        title=title or "Invalid policy",
        file=path_of(folder, problem.file),
        line=problem.line,
        column=problem.column,
        message=f"{problem.message} ({problem.remedy})",
    )


def cases_of_files(
    command: str, folder: str, files: Iterable[str], problems: Iterable[Problem] = ()
) -> tuple[Case, ...]:
    """Return one case for each file; the problems of a file together are its failure."""
    failures: dict[str, list[str]] = {file: [] for file in files}
    for problem in problems:
        failures.setdefault(problem.file, []).append(str(problem))
    return tuple(
        Case(f"policy {command}", path_of(folder, file), "\n".join(lines)) for file, lines in sorted(failures.items())
    )


def paint(text: str, colour: str) -> str:
    """Return a word in a colour where somebody looks at a terminal and has not set NO_COLOR; never the only signal."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not sys.stdout.isatty()
    return text if plain else click.style(text, fg=colour, bold=True)
