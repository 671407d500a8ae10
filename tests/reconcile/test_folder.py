"""Reading a policy folder: every file in it counts, and whatever should not be there is told."""

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from keymgr.policy.yaml_text import BYTES_MAX
from keymgr.reconcile.folder import read_folder

NOBODY = 65534


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "one.yaml").write_text("a: b\n")
    (tmp_path / "two.yml").write_text("c: d\n")
    return tmp_path


@contextmanager
def somebody_else() -> Iterator[None]:
    """Be an account that file permissions hold back, which root is not."""
    was = os.geteuid()
    if was == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(was)


def refused(folder: Path) -> list[tuple[str, str]]:
    found = read_folder(folder)
    assert isinstance(found, tuple)
    assert all(each.message and each.remedy and str(each).isprintable() for each in found)
    return [(each.code, each.file) for each in found]


def test_every_policy_file_is_read_by_its_path_in_the_folder(folder: Path) -> None:
    (folder / "README.md").write_text("words")
    (folder / "rules" / "CODEOWNERS").write_text("* @security")
    (folder / "empty").mkdir()
    assert read_folder(folder) == {"rules/one.yaml": b"a: b\n", "two.yml": b"c: d\n"}
    assert read_folder(str(folder)) == read_folder(folder)


def test_the_repository_at_the_top_is_passed_over_and_nowhere_else(folder: Path) -> None:
    (folder / ".git").mkdir()
    (folder / ".git" / "config").write_text("[core]")
    assert isinstance(read_folder(folder), dict)
    (folder / "rules" / ".git").mkdir()
    (folder / "rules" / ".git" / "config").write_text("[core]")
    assert refused(folder) == [("E122", "rules/.git/config")]


def test_the_file_of_a_linked_worktree_is_passed_over_as_well(folder: Path) -> None:
    (folder / ".git").write_text("gitdir: elsewhere")
    assert isinstance(read_folder(folder), dict)


@pytest.mark.parametrize(
    "name", ["one.YAML", "one.yaml.bak", ".one.yaml.swp", "one.yaml~", "notes.txt", "one", "readme.md"]
)
def test_a_stray_file_is_told_because_somebody_may_think_it_counts(folder: Path, name: str) -> None:
    (folder / "rules" / name).write_text("a: b\n")
    assert refused(folder) == [("E122", f"rules/{name}")]


def test_symbolic_links_are_told_whatever_they_lead_to(folder: Path) -> None:
    (folder / "file.yaml").symlink_to("/etc/passwd")
    (folder / "folder").symlink_to(folder / "rules", target_is_directory=True)
    (folder / "loop.yaml").symlink_to("loop.yaml")
    (folder / "up").symlink_to("..", target_is_directory=True)
    (folder / "gone.yaml").symlink_to("nowhere")
    assert refused(folder) == [("E121", name) for name in ("file.yaml", "folder", "gone.yaml", "loop.yaml", "up")]


def test_a_folder_with_the_name_of_a_file_is_told(folder: Path) -> None:
    (folder / "x.yaml").mkdir()
    assert refused(folder) == [("E124", "x.yaml")]


def test_a_socket_and_a_pipe_are_told_and_never_read(folder: Path) -> None:
    os.mkfifo(folder / "pipe.yaml")
    with socket.socket(socket.AF_UNIX) as unix:
        here = Path.cwd()
        os.chdir(folder)  # The path of a socket may be too long otherwise.
        try:
            unix.bind("s.yaml")
        finally:
            os.chdir(here)
        assert refused(folder) == [("E124", "pipe.yaml"), ("E124", "s.yaml")]


def test_names_with_invisible_characters_are_told_in_a_form_that_can_be_printed(folder: Path) -> None:
    (folder / "a\u202eb.yaml").write_text("a: b\n")
    (folder / "c\nd.yaml").write_text("a: b\n")
    Path(os.fsdecode(os.fsencode(folder) + b"/e\xff.yaml")).write_text("a: b\n")
    assert refused(folder) == [("E122", name) for name in ("a\\u202eb.yaml", "c\\nd.yaml", "e\\udcff.yaml")]


@pytest.mark.parametrize("left", [[], ["README.md"], ["CODEOWNERS", "README.md"]])
def test_a_folder_without_policy_files_is_an_error(tmp_path: Path, left: list[str]) -> None:
    for name in left:
        (tmp_path / name).write_text("words")
    (tmp_path / "rules").mkdir()
    assert refused(tmp_path) == [("E123", ".")]


def test_a_path_that_leads_nowhere_or_to_a_file_is_an_error(folder: Path) -> None:
    assert refused(folder / "nowhere") == [("E120", ".")]
    assert refused(folder / "two.yml") == [("E120", ".")]


def test_a_link_to_itself_in_place_of_the_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    assert refused(tmp_path / "loop") == [("E120", ".")]


def test_a_file_or_folder_that_may_not_be_read_is_told_beside_the_rest() -> None:
    folder = Path(tempfile.mkdtemp())  # Below a folder that another account may enter, which `tmp_path` is not.
    folder.chmod(0o755)
    (folder / "rules").mkdir()
    (folder / "two.yml").write_text("a: b")
    (folder / "notes.txt").write_text("words")
    (folder / "two.yml").chmod(0)
    (folder / "rules").chmod(0)
    try:
        with somebody_else():
            found = refused(folder)
    finally:
        shutil.rmtree(folder)
    assert found == [("E122", "notes.txt"), ("E124", "rules"), ("E124", "two.yml")]


def test_of_a_file_beyond_the_limit_only_so_much_is_read_that_the_loader_refuses_it(folder: Path) -> None:
    with (folder / "big.yaml").open("wb") as big:
        big.truncate(100 * BYTES_MAX)
    found = read_folder(folder)
    assert isinstance(found, dict)
    assert len(found["big.yaml"]) == BYTES_MAX + 1


def test_folders_nested_very_deep_are_walked(tmp_path: Path) -> None:
    deep = tmp_path
    for _ in range(300):
        deep /= "d"
        deep.mkdir()
    (deep / "one.yaml").write_text("a: b\n")
    assert read_folder(tmp_path) == {f"{'d/' * 300}one.yaml": b"a: b\n"}
