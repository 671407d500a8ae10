"""Style sheet and scripts under names that change with their content, so that browsers may keep them for ever."""

import hashlib
from pathlib import Path

from flask import Flask, Response, abort, current_app, send_from_directory, url_for

from keymgr.web.portal import open_to_all, portal

_DIGESTS = "keymgr.asset_digests"
_SUFFIXES = frozenset({".css", ".js", ".svg"})


def attach(app: Flask) -> None:
    """Digest the files once and give templates `asset(name)`."""
    folder = Path(app.static_folder or "")
    app.extensions[_DIGESTS] = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()[:12]
        for path in folder.rglob("*")
        if path.suffix in _SUFFIXES
    }
    app.jinja_env.globals["asset"] = asset


def asset(name: str) -> str:
    """Return the address of a static file; a name that is not there is a `KeyError`."""
    return url_for("web.asset_file", digest=current_app.extensions[_DIGESTS][name], name=name)


@portal.get("/assets/<digest>/<path:name>")
@open_to_all
def asset_file(digest: str, name: str) -> Response:
    """Answer the file of exactly this content."""
    if current_app.extensions[_DIGESTS].get(name) != digest:
        abort(404)
    response = send_from_directory(current_app.static_folder or "", name, max_age=31_536_000)
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    return response
