"""What each error code of the machine's door means: where the `type` of a problem leads, for whoever clicks on it."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from flask import abort, current_app, render_template
from flask.typing import ResponseReturnValue

from keymgr.web.docs import aim
from keymgr.web.portal import open_to_all, portal


@dataclass(frozen=True, slots=True)
class Meaning:
    """One code with its paragraph; `parts` alternate between plain text and code."""

    code: str
    parts: tuple[str, ...]


@portal.get("/docs/errors")
@open_to_all
def error_list() -> ResponseReturnValue:
    """List every code."""
    return render_template("docs/errors.html", meanings=_meanings(), one=None, aim=aim())


@portal.get("/docs/errors/<code>")
@open_to_all
def error_page(code: str) -> ResponseReturnValue:
    """Show what one code means and what to do about it."""
    found = next((meaning for meaning in _meanings() if meaning.code == code), None)
    if found is None:
        abort(404)
    return render_template("docs/errors.html", meanings=(found,), one=found, aim=aim())


def _meanings() -> tuple[Meaning, ...]:
    return _read(Path(str(current_app.template_folder)).parent / "docs" / "errors" / "README.md")


@cache
def _read(path: Path) -> tuple[Meaning, ...]:
    """Read the one text that the repository and the portal share: a `### code` heading and a paragraph each."""
    sections = re.findall(r"^### (\w+)\n(.+?)(?=\n#|\Z)", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return tuple(Meaning(code, tuple(" ".join(text.split()).split("`"))) for code, text in sections)
