"""House rules that no linter knows: who commits, how long a module may be, what a verb's file exports."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "keymgr"
MODULES = sorted(PACKAGE.rglob("*.py"))
DOORS = {"web", "api", "cli"}
ATTIC = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "handler", "service", "services"}
SQL_BUILDERS = {"where", "filter", "having", "on", "join", "outerjoin"}


def names(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", MODULES, ids=names(MODULES))
def test_no_module_is_longer_than_250_lines(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 250, f"{path.name}: is there a second thing in it?"


@pytest.mark.parametrize("path", MODULES, ids=names(MODULES))
def test_only_doors_commit(path: Path) -> None:
    if room_of(path) in DOORS | {"worker", "db"}:
        return
    tree = ast.parse(path.read_text())
    commits = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "commit"
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "session"
    ]
    assert not commits, f"{path.name} commits in line {commits}; verbs flush, doors commit"


@pytest.mark.parametrize("path", MODULES, ids=names(MODULES))
def test_no_module_is_an_attic(path: Path) -> None:
    assert path.stem not in ATTIC, f"{path.name} says nothing about what is in it"


@pytest.mark.parametrize("path", MODULES, ids=names(MODULES))
def test_python_logic_is_never_applied_to_sql_expressions(path: Path) -> None:
    """`a == b and c == d` inside `where()` silently drops a condition (reference/security.md D2)."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in SQL_BUILDERS):
            continue
        for argument in node.args:
            wrong = isinstance(argument, ast.BoolOp) or (
                isinstance(argument, ast.UnaryOp) and isinstance(argument.op, ast.Not)
            )
            assert not wrong, f"{path.name}:{argument.lineno} uses and/or/not in .{node.func.attr}()"


VERBS = ("ask", "issue", "revoke", "rotate", "withdraw", "suspend", "verify")


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_has_its_own_file_and_exports_it(verb: str) -> None:
    source = (PACKAGE / "keys" / f"{verb}.py").read_text()
    functions = {node.name for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)}
    assert verb in functions


def test_every_room_states_its_question() -> None:
    rooms = [path for path in PACKAGE.iterdir() if (path / "__init__.py").exists()]
    for room in rooms:
        assert ast.get_docstring(ast.parse((room / "__init__.py").read_text())), room.name


IGNORE = re.compile(r"#\s*(noqa(:\s*[A-Z]+\d+(,\s*[A-Z]+\d+)*)?|type: ignore\[[^\]]*\]|pragma: no cover)(?P<rest>.*)$")


@pytest.mark.parametrize("path", MODULES, ids=names(MODULES))
def test_an_ignore_carries_its_reason(path: Path) -> None:
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        found = IGNORE.search(line)
        if found:
            assert len(found.group("rest").strip(" -#:.")) >= 7, f"{path.name}:{number} ignores without saying why"


TOP_LEVEL = {
    ".ci", ".gitignore", "benchmarks", "CHANGELOG.md", "CONTRIBUTING.md", "deploy", "docs", "keymgr", "LICENSE",
    "Makefile", "policies", "pyproject.toml", "README.md", "static", "templates", "tests", "wsgi.py",
}  # fmt: skip


def test_the_top_level_is_as_the_design_card_has_it() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {line.split("/")[0] for line in listed.splitlines()} == TOP_LEVEL
