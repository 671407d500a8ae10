"""What docs/tokens.md says is tried, not believed."""

import dataclasses
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import jwt
import pytest

from keymgr.tokens.claims import Claims, to_payload
from keymgr.tokens.keyring import jwks
from keymgr.tokens.signing import Algorithm, SigningKey, generate, public_jwk
from keymgr.tokens.verdicts import HTTP_MEANINGS, VerdictCode
from keymgr.tokens.wrap import wrap

PAGE = (Path(__file__).parents[2] / "docs" / "tokens.md").read_text()
Verify = Callable[[str, str], dict[str, Any]]


@pytest.fixture
def issuer(keys: dict[Algorithm, SigningKey]) -> Iterator[str]:
    published = json.dumps(jwks(public_jwk(key) for key in keys.values())).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/.well-known/jwks.json" else 404)
            self.send_header("Content-Length", str(len(published)))
            self.end_headers()
            self.wfile.write(published)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's.
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def documented(issuer: str) -> Verify:
    (program,) = [block for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "PyJWKClient" in block]
    names: dict[str, Any] = {}
    exec(program.replace("https://keys.example.com", issuer), names)  # noqa: S102 - the page's own program is the subject.
    verify: Verify = names["verify"]
    return verify


def fresh(claims: Claims, address: str, **changes: object) -> Claims:
    now = int(time.time())
    dates = {"issued_at": now, "not_before": now, "expires_at": now + 60}
    return dataclasses.replace(claims, **{"issuer": address, **dates, **changes})  # type: ignore[arg-type]  # Mixed on purpose.


def test_the_documented_offline_check_accepts_our_token(
    documented: Verify, issuer: str, keys: dict[Algorithm, SigningKey], claims: Claims
) -> None:
    current = fresh(claims, issuer)
    assert documented(wrap(current, keys[Algorithm.ES256]), "charges:read") == to_payload(current)


def test_the_documented_offline_check_refuses_what_is_not_for_this_service(
    documented: Verify, issuer: str, keys: dict[Algorithm, SigningKey], claims: Claims
) -> None:
    key = keys[Algorithm.ES256]
    for change in ({"audience": "ledger"}, {"issuer": issuer + "/"}, {"expires_at": int(time.time()) - 31}):
        with pytest.raises(jwt.PyJWTError):
            documented(wrap(fresh(claims, issuer, **change), key), "charges:read")
    with pytest.raises(jwt.PyJWTError):
        documented(wrap(fresh(claims, issuer), generate(Algorithm.ES256)), "charges:read")
    with pytest.raises(PermissionError):
        documented(wrap(fresh(claims, issuer), key), "charges:write")


def test_every_claim_is_documented(claims: Claims) -> None:
    for name in to_payload(claims):
        assert re.search(rf"^\|.*`{name}`", PAGE, re.MULTILINE), name


@pytest.mark.parametrize("code", sorted(set(VerdictCode) - {VerdictCode.OK}))
def test_every_refusal_is_documented_with_its_status(code: VerdictCode) -> None:
    assert re.search(rf"^\|.*`{code}`.*\| {HTTP_MEANINGS[code].status}\b", PAGE, re.MULTILINE)
