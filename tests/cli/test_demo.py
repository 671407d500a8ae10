"""`keymgr demo`: what it keeps, what it refuses, and that it leaves nothing behind."""

import json
import os
import signal
import socket
import stat
from pathlib import Path

from tests.cli.servers import ROOT, serving
from tests.cli.test_commands import keymgr
from tests.flows.demo import two_free_ports

FROM_AN_INSTALLATION = {"KEYMGR_DATABASE_URL": "sqlite:////nowhere/precious.db", "KEYMGR_BIND": "0.0.0.0:80"}


def run_once(folder: Path) -> tuple[str, str]:
    """Start the demo, look, and stop it by Ctrl-C; returns the service's credential and what was said."""
    port = two_free_ports()
    arguments = ["demo", "--port", str(port), "--policies", str(ROOT / "policies")]
    with serving(folder, *arguments, **FROM_AN_INSTALLATION) as server:
        assert server.port == port
        assert json.loads(server.get("/readyz")[1])["checks"]["policy"] == "ok"
        children = server.descendants()
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(40) == 0
    assert [child for child in children if Path(f"/proc/{child}").exists()] == []
    return (folder / ".keymgr-demo/payments.credential").read_text(), server.log


def test_a_second_start_finds_everything_where_the_first_left_it(tmp_path: Path) -> None:
    credential, said = run_once(tmp_path)
    again, said_again = run_once(tmp_path)
    assert credential == again
    assert "Revision 1 is in force" in said
    assert "revision 1 is in force already" in said_again
    assert "ben-likes-blue-doors" in said
    kept = [tmp_path / ".keymgr-demo", *(tmp_path / ".keymgr-demo").iterdir()]
    assert [file for file in kept if stat.S_IMODE(file.stat().st_mode) & 0o077] == []
    assert {entry.name for entry in tmp_path.iterdir()} == {".keymgr-demo", "log"}


def test_a_taken_port_is_said_before_anything_is_written(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = keymgr("demo", "--port", str(taken.getsockname()[1]), cwd=tmp_path)
    assert done.returncode == 1
    assert "is taken" in done.stderr
    assert "keymgr demo --port" in done.stderr
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - the names are what is compared.


def test_a_policy_that_is_not_valid_ends_the_demo_with_its_exit_code_and_places(tmp_path: Path) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies/broken.yaml").write_text("apiVersion: keymgr/v1\nkind: Rle\n")
    done = keymgr("demo", "--port", str(two_free_ports()), cwd=tmp_path)
    assert done.returncode == 3
    assert "broken.yaml:" in done.stdout + done.stderr
