"""Pages travel compressed. What must stay secret never does: it is shown only in answers to forms, and those do not.

The compressed length of a page depends on what stands in it beside what was asked for (the BREACH attack). So the
form's token is masked anew each time (`form_token`), and each answer carries a random number of bytes that browsers
skip (Heal the Breach, Palacios et al. 2022).
"""

import gzip
import secrets
from io import BytesIO

from flask import Response, request

from keymgr.web.portal import portal

_SMALLEST_BYTES = 1024
_LEVEL = 5
_PADDING_BYTES_MAX = 100


@portal.after_request
def pack(response: Response) -> Response:
    """Compress a page that was asked for with GET, for browsers that take it."""
    if request.method != "GET" or response.mimetype != "text/html" or response.is_streamed:
        return response
    response.vary.add("Accept-Encoding")
    content = response.get_data()
    if len(content) >= _SMALLEST_BYTES and request.accept_encodings.quality("gzip") > 0:
        response.set_data(packed(content))
        response.headers["Content-Encoding"] = "gzip"
    return response


def packed(content: bytes) -> bytes:
    """Compress, with padding of random length in the file name that gzip's header may carry (RFC 1952)."""
    padding = secrets.token_hex(secrets.randbelow(_PADDING_BYTES_MAX // 2) + 1)
    out = BytesIO()
    with gzip.GzipFile(padding, "wb", _LEVEL, out, mtime=0) as file:
        file.write(content)
    return out.getvalue()
