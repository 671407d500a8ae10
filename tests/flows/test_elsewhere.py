"""A key from the portal in other people's hands: another JOSE library, and a real nginx before the sample service."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from joserfc import jwt
from joserfc.errors import BadSignatureError
from joserfc.jwk import KeySet
from playwright.sync_api import Browser

from tests.api.serving import Server, listening, running
from tests.flows.demo import Demo, ask
from tests.flows.issuing import Holder
from tests.gateways.test_nginx import AROUND, EXAMPLE

# The sample service asks keymgr itself, too, so here nginx hands the key on.
_TAKES_THE_KEY_AWAY = 'proxy_set_header Authorization "";'


@pytest.fixture
def nginx(demo: Demo, tmp_path: Path) -> Iterator[Server]:
    bound = listening()
    words = {
        "LISTEN": f"127.0.0.1:{bound.getsockname()[1]}",
        "KEYMGR": demo.portal.removeprefix("http://"),
        "UPSTREAM": demo.sample.removeprefix("http://"),
        "SERVICE": "payments",
        "ENV": "dev",
        "SCOPE": "charges:read",
        "PATH": "charges",
    }
    site = EXAMPLE.read_text()
    assert _TAKES_THE_KEY_AWAY in site
    site = site.replace(_TAKES_THE_KEY_AWAY, "")
    for word, value in words.items():
        site = site.replace(f"@{word}@", value)
    (tmp_path / "site.conf").write_text(site)
    user = "user root;" if os.geteuid() == 0 else ""
    (tmp_path / "nginx.conf").write_text(AROUND.format(folder=tmp_path, user=user))
    command = ["nginx", "-p", str(tmp_path), "-e", str(tmp_path / "error.log"), "-c", str(tmp_path / "nginx.conf")]
    with running(command, bound, tmp_path / "nginx.log", {"NGINX": f"{bound.fileno()};"}) as server:
        yield server


def test_nginx_lets_the_key_through_to_the_sample_service_until_it_is_revoked(
    chromium: Browser, demo: Demo, nginx: Server
) -> None:
    holder = Holder(chromium, demo, "behind nginx")
    address = f"http://127.0.0.1:{nginx.port}"
    through = ask(address, "/charges", token=holder.token)
    assert (through.status, "charges" in json.loads(through.body)) == (200, True)
    assert ask(address, "/charges").status == 401
    limited = [ask(address, "/charges", token=holder.token) for _ in range(6)]
    assert 429 in {answer.status for answer in limited}

    holder.revoke(used=True)
    assert ask(address, "/charges", token=holder.token).status == 401
    holder.close()


def test_another_library_verifies_the_issued_token_from_the_published_keys_alone(chromium: Browser, demo: Demo) -> None:
    holder = Holder(chromium, demo, "elsewhere")
    published = ask(demo.portal, "/.well-known/jwks.json")
    metadata = json.loads(ask(demo.portal, "/.well-known/oauth-authorization-server").body)
    assert metadata["jwks_uri"] == f"{demo.portal}/.well-known/jwks.json"

    keys = KeySet.import_key_set(json.loads(published.body))
    token = jwt.decode(holder.token, keys, algorithms=["ES256"])
    assert token.header["typ"] == "at+jwt"
    assert token.claims["iss"] == metadata["issuer"] == demo.portal
    assert (token.claims["aud"], token.claims["sub"]) == ("payments", "user:ben")
    assert (token.claims["scope"], token.claims["env"]) == ("charges:read", "dev")
    jwt.JWTClaimsRegistry(iss={"essential": True, "value": demo.portal}).validate(token.claims)

    head, body, _ = holder.token.split(".")
    with pytest.raises(BadSignatureError):
        jwt.decode(f"{head}.{body}.{'A' * 86}", keys, algorithms=["ES256"])
    holder.revoke(used=False)
    holder.close()
