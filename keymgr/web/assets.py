"""Style sheet and scripts under names that change with their content, so that browsers may keep them for ever."""

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from flask import Flask, Response, abort, current_app, request, url_for

from keymgr.web.portal import open_to_all, portal

_ASSETS = "keymgr.assets"
_SUFFIXES = frozenset({".css", ".js", ".svg"})


@dataclass(frozen=True, slots=True)
class Asset:
    """One static file, read once: its digest, its kind, and its content as it is and compressed."""

    digest: str
    kind: str
    content: bytes
    packed: bytes


def attach(app: Flask) -> None:
    """Read the files once and give templates `asset(name)`."""
    folder = Path(app.static_folder or "")
    app.extensions[_ASSETS] = {
        path.relative_to(folder).as_posix(): _read(path) for path in folder.rglob("*") if path.suffix in _SUFFIXES
    }
    app.jinja_env.globals["asset"] = asset


def _read(path: Path) -> Asset:
    content = path.read_bytes()
    kind = mimetypes.types_map[path.suffix]
    return Asset(hashlib.sha256(content).hexdigest()[:12], kind, content, gzip.compress(content, 9, mtime=0))


def _assets() -> dict[str, Asset]:
    return cast("dict[str, Asset]", current_app.extensions[_ASSETS])


def asset(name: str) -> str:
    """Return the address of a static file; a name that is not there is a `KeyError`."""
    return url_for("web.asset_file", digest=_assets()[name].digest, name=name)


@portal.get("/assets/<digest>/<path:name>")
@open_to_all
def asset_file(digest: str, name: str) -> Response:
    """Answer the file of exactly this content."""
    found = _assets().get(name)
    if found is None or found.digest != digest:
        abort(404)
    is_packed = request.accept_encodings.quality("gzip") > 0
    response = Response(found.packed if is_packed else found.content, content_type=f"{found.kind}; charset=utf-8")
    if is_packed:
        response.headers["Content-Encoding"] = "gzip"
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    response.vary.add("Accept-Encoding")
    return response
