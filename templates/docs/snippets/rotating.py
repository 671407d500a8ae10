"""Calls a service with a key that may be replaced at any time."""

import os
import urllib.request
from pathlib import Path

KEY_FILE = Path(os.environ["@KEY@_FILE"])


def call() -> bytes:
    """Return the answer to a call with the key that lies in the file now."""
    headers = {"Authorization": f"Bearer {KEY_FILE.read_text().strip()}"}
    request = urllib.request.Request(os.environ["@ADDRESS@"], headers=headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.read()


if __name__ == "__main__":
    print(call().decode())
