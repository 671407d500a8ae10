"""What is committed is ours, names no machine and no package index, and what pins it is complete."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
LOCKS = sorted((ROOT / "deploy/locks").glob("*.txt"))


def committed() -> list[Path]:
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [ROOT / name for name in names.split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_lock_file_names_no_address_and_every_package_has_its_checksum(lock: Path) -> None:
    text = lock.read_text()
    assert "://" not in text
    assert "--index" not in text
    packages = re.findall(r"^[a-z0-9][^\n]*(?:\n    [^\n]*)*", text, re.MULTILINE)
    assert packages
    assert [package.splitlines()[0] for package in packages if "--hash=sha256:" not in package] == []


def test_no_file_names_a_path_of_one_machine() -> None:
    paths = re.compile(rb"(?<![\w.-])/(?:work|root|farm)/[\w.]")
    assert [str(file.relative_to(ROOT)) for file in committed() if paths.search(file.read_bytes())] == []


def test_nothing_of_somebody_elses_is_committed() -> None:
    foreign = re.compile(r"(\.min\.(js|css)$|/vendor/|node_modules/|\.woff2?$)")
    assert [str(file) for file in committed() if foreign.search(str(file.relative_to(ROOT)))] == []


def test_the_build_requirement_and_its_lock_agree() -> None:
    requires = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    (pinned,) = [line for line in requires if line.startswith("django-htmx==")]
    assert f"{pinned} \\" in (ROOT / "deploy/locks/build.txt").read_text()


def test_continuous_integration_runs_what_the_readme_says() -> None:
    assert "make test" in (ROOT / ".ci/run").read_text()
    assert "make test" in (ROOT / "README.md").read_text()


def test_the_licence_is_the_whole_text() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text
