"""Calls a service, and waits as long as it asks for when a limit is used up."""

import os
import time
import urllib.error
import urllib.request

request = urllib.request.Request(
    os.environ["@ADDRESS@"],
    headers={"Authorization": f"Bearer {os.environ['@KEY@']}"},
)


def call(attempts: int = 5) -> bytes:
    """Return the answer; raises HTTPError for a refusal that waiting does not mend."""
    for left in reversed(range(attempts)):
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                print("limits:", answer.headers.get("RateLimit"))
                return answer.read()
        except urllib.error.HTTPError as error:
            if error.code not in {429, 503} or not left:
                raise
            time.sleep(int(error.headers.get("Retry-After", "1")))
    raise RuntimeError("attempts must be 1 or more")


if __name__ == "__main__":
    print(call().decode())
