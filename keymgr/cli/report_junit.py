"""JUnit XML, which GitLab, Gitea and Jenkins show as test results."""

import re
from itertools import groupby
from operator import attrgetter
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from keymgr.cli.report_remarks import Case, Told

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(told: Told) -> str:
    """Return a run as one `testsuites` element, a suite for each group of cases.

    A run without a case fails as one, because nothing tested is not a pass.
    """
    cases = told.cases or (Case(f"policy {told.command}", told.command, told.outcome),)
    top = Element("testsuites", {"name": f"keymgr policy {told.command}", **_totals(cases)})
    for group, members in groupby(sorted(cases, key=attrgetter("group")), key=attrgetter("group")):
        _suite(top, group, tuple(members))
    indent(top)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(top, encoding="unicode")


def _suite(top: Element, group: str, cases: tuple[Case, ...]) -> None:
    suite = SubElement(top, "testsuite", {"name": _text(group), **_totals(cases)})
    for case in cases:
        element = SubElement(suite, "testcase", classname=_text(group), name=_text(case.name))
        if case.failure:
            first = case.failure.partition("\n")[0]
            SubElement(element, "failure", message=_text(first)).text = _text(case.failure)


def _totals(cases: tuple[Case, ...]) -> dict[str, str]:
    failures = sum(bool(case.failure) for case in cases)
    return {"tests": str(len(cases)), "failures": str(failures), "errors": "0", "skipped": "0"}


def _text(text: str) -> str:
    """Return text without the characters that XML cannot hold."""
    return _NOT_XML.sub("\ufffd", text)
