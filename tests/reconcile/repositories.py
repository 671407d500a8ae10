"""Real Git repositories with pull-request branches, served over HTTP by Git's own server program on loopback."""

import base64
import os
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

NAME = "policies.git"
USER, TOKEN = "keymgr", "a:token@of/the forge"
_AUTHOR = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Ana"), ("EMAIL", "ana@example.org"), ("DATE", "2026-11-22T09:00:00Z"))
}


def git(folder: Path, *arguments: str) -> str:
    environment = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", **_AUTHOR}
    done = subprocess.run(
        ["git", "-C", folder, *arguments], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


class Repository:
    """A bare repository as a forge has it, and a clone in which somebody works."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "forge"
        self.bare, self.work = self.root / NAME, folder / "work"
        for made in (self.bare, self.work):
            made.mkdir(parents=True)
        git(self.bare, "init", "--quiet", "--bare", "--initial-branch=main")
        git(self.work, "init", "--quiet", "--initial-branch=main")
        git(self.work, "remote", "add", "origin", str(self.bare))

    def push(self, files: Mapping[str, bytes], *, branch: str = "main", message: str = "A change") -> str:
        """Commit files under policies/ onto a branch, made here if need be, and push it; return the commit."""
        for path, data in files.items():
            place = self.work / "policies" / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
        if branch != git(self.work, "symbolic-ref", "--short", "HEAD"):
            git(self.work, "checkout", "--quiet", "-B", branch)
        git(self.work, "add", "--all")
        git(self.work, "commit", "--quiet", "--allow-empty", "--message", message)
        git(self.work, "push", "--quiet", "--force", "origin", branch)
        return git(self.work, "rev-parse", "HEAD")

    def switch(self, branch: str, *, start: str | None = None) -> None:
        """Go on at a branch, or at another commit of it."""
        git(self.work, "checkout", "--quiet", *(("-B", branch, start) if start else (branch,)))


class Forge:
    """Serves repositories; counts what is asked and can ask for a password."""

    def __init__(self, root: Path) -> None:
        self.root, self.password_needed, self.asked = root, False, 0
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/{NAME}"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        forge = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                forge.answer(self, b"")

            def do_POST(self) -> None:
                forge.answer(self, self.rfile.read(int(self.headers["Content-Length"])))

            def log_message(self, *_arguments: object) -> None:
                pass

        return Handler

    def answer(self, request: BaseHTTPRequestHandler, body: bytes) -> None:
        self.asked += 1
        known = base64.b64encode(f"{USER}:{TOKEN}".encode()).decode()
        if self.password_needed and request.headers.get("Authorization") != f"Basic {known}":
            request.send_response(401)
            request.send_header("WWW-Authenticate", 'Basic realm="forge"')
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        parts = urlsplit(request.path)
        environment = {
            "PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": os.devnull, "GIT_PROJECT_ROOT": str(self.root),
            "GIT_HTTP_EXPORT_ALL": "1", "REQUEST_METHOD": request.command, "PATH_INFO": parts.path,
            "QUERY_STRING": parts.query, "CONTENT_TYPE": request.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": request.headers.get("Content-Encoding", ""), "CONTENT_LENGTH": str(len(body)),
            "GIT_PROTOCOL": request.headers.get("Git-Protocol", ""), "REMOTE_ADDR": "127.0.0.1",
        }  # fmt: skip
        done = subprocess.run(["git", "http-backend"], env=environment, input=body, capture_output=True, check=True)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        request.send_response(int(headers.pop("Status", "200").split()[0]))
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(content)


@contextmanager
def serving(root: Path) -> Iterator[Forge]:
    forge = Forge(root)
    forge.thread.start()
    try:
        yield forge
    finally:
        forge.server.shutdown()
        forge.thread.join()
        forge.server.server_close()
