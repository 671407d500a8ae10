"""Decodes one policy file and refuses text that a reviewer could not read as it is."""

import re

from keymgr.policy.characters import forbidden
from keymgr.policy.problems import Problem, Problems

BYTES_MAX = 512 * 1024

_DIRECTIVE = re.compile("^%.*$", re.MULTILINE)


def decode(file: str, content: bytes) -> str | Problems:
    """Return the text of a file, or everything that keeps it from being read as YAML at all."""
    if len(content) > BYTES_MAX:
        message = f"the file is larger than {BYTES_MAX // 1024} KiB"
        return (Problem("E112", file, 1, 1, message, "split it into several files"),)
    try:
        text = content.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line, column = _place(content[: error.start].decode("utf-8"))
        return (Problem("E101", file, line, column, "the file is not UTF-8 text", "save it as UTF-8"),)
    return (*_odd_characters(file, text), *_directives(file, text)) or text


def _place(before: str) -> tuple[int, int]:
    """Return line and column, from 1, of the character that follows `before`."""
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1


def _odd_characters(file: str, text: str) -> Problems:
    problems = []
    for found in forbidden(text):
        line, column = _place(text[: found.offset])
        times = f", and stands {found.times} times in this file" if found.times > 1 else ""
        if found.character == "\t":
            problems.append(Problem("E103", file, line, column, f"a tab is not allowed{times}", "use spaces"))
        else:
            message = f"the character {found.name} is not allowed{times}"
            problems.append(Problem("E102", file, line, column, message, "remove it; save without a byte order mark"))
    return tuple(problems)


def _directives(file: str, text: str) -> Problems:
    message, remedy = "directives such as %YAML and %TAG are not allowed", "remove the line"
    return tuple(
        Problem("E109", file, _place(text[: match.start()])[0], 1, message, remedy)
        for match in _DIRECTIVE.finditer(text)
    )
