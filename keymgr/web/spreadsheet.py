"""Files for spreadsheets: comma-separated lines in which nothing is run as a formula."""

import csv
import io
from collections.abc import Iterable

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def line(fields: Iterable[str]) -> str:
    """Write one line of the file."""
    written = io.StringIO()
    csv.writer(written).writerow([as_text(field) for field in fields])
    return written.getvalue()


def as_text(field: str) -> str:
    """Keep a spreadsheet from running what a name begins with."""
    return f"'{field}" if field.startswith(_FORMULA) else field
