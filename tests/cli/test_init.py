"""`keymgr init`: a first env file."""

import stat
from pathlib import Path

from click.testing import CliRunner

from keymgr.cli.init import init
from keymgr.config import load, variables


def test_it_writes_settings_that_can_be_read_for_nobody_else(tmp_path: Path) -> None:
    file = tmp_path / "keymgr.env"
    done = CliRunner().invoke(init, ["--env-file", str(file), "--public-url", "https://keys.example.com"])
    assert done.exit_code == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    settings = load({"KEYMGR_ENV_FILE": str(file)})
    assert settings.public_url == "https://keys.example.com"
    text = file.read_text()
    assert all(f"{name}=" in text for name in variables())
    for _, kek in settings.kek:
        assert kek not in done.output.encode()


def test_two_files_never_have_the_same_secrets(tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert CliRunner().invoke(init, ["--env-file", str(tmp_path / name)]).exit_code == 0
    a, b = (load({"KEYMGR_ENV_FILE": str(tmp_path / name)}) for name in ("a", "b"))
    assert len({a.secret_key, b.secret_key}) == len({a.pepper, b.pepper}) == len({a.kek, b.kek}) == 2


def test_an_existing_file_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "keymgr.env"
    file.write_text("precious")
    done = CliRunner().invoke(init, ["--env-file", str(file)])
    assert done.exit_code == 1
    assert "was left alone" in done.output
    assert file.read_text() == "precious"
