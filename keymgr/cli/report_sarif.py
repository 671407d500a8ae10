"""SARIF 2.1.0, which code scanning shows at the line."""

import hashlib
import json
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from keymgr import __version__
from keymgr.cli.report_remarks import Remark, Told

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json"


def render(told: Told) -> str:
    """Return a run as one SARIF log; no result means that nothing is wrong."""
    codes = sorted({each.code: each.title for each in told.remarks}.items())
    driver = {
        "name": "keymgr",
        "version": __version__,
        "rules": [{"id": code, "shortDescription": {"text": title}} for code, title in codes],
    }
    order = [code for code, _ in codes]
    results = [_result(each, order.index(each.code)) for each in told.remarks]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def _result(remark: Remark, index: int) -> dict[str, Any]:
    region = {"startLine": remark.line, "startColumn": remark.column}
    location = {"artifactLocation": {"uri": _uri(remark.file)}, "region": region}
    return {
        "ruleId": remark.code,
        "ruleIndex": index,
        "level": remark.level.value,
        "message": {"text": remark.message},
        "locations": [{"physicalLocation": location}],
        "partialFingerprints": {"keymgr/v1": _fingerprint(remark)},
    }


def _uri(file: str) -> str:
    """Return the address of a file: relative ones are taken from the top of the repository."""
    path = PurePath(file)
    return path.as_uri() if path.is_absolute() else quote(path.as_posix(), errors="surrogateescape")


def _fingerprint(remark: Remark) -> str:
    """Return what stays the same while lines above the remark come and go."""
    return hashlib.sha256(f"{remark.code}\0{remark.file}\0{remark.message}".encode()).hexdigest()
