"""A service that asks keymgr about every call.

pip install keymgr gunicorn; gunicorn service:app
"""

import os

from keymgr.verifier.online import Verifier
from keymgr.verifier.refusal import Refusal

verifier = Verifier.from_env(os.environ)


def app(environ, start_response):
    """Serve whoever holds @SCOPE@; everybody else hears why not."""
    answer = verifier.verify_header(
        environ.get("HTTP_AUTHORIZATION"),
        scopes=["@SCOPE@"],
        environment="@ENV@",
        address=environ.get("REMOTE_ADDR"),
    )
    if isinstance(answer, Refusal):
        start_response(f"{answer.status} Refused", list(answer.headers))
        return [answer.body]
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    return [f"Hello {answer.owner}.\n".encode()]
