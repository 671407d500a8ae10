"""Secrets in what people write are spotted, and nothing else is."""

import pytest

from keymgr.tokens.opaque import render, render_plan_credential, render_service_credential
from keymgr.tokens.secret import mint
from keymgr.tokens.spotting import holds_secret, without_secrets

ULID = "01jdabcdefghjkmnpqrstvwxyz"
JWT = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJodHRwcyJ9"


@pytest.mark.parametrize("before", ["", "it leaked: ", "KEY=", "“", "x\n"])
@pytest.mark.parametrize(
    "secret",
    [
        render("prod", f"crd_{ULID}", mint()),
        render("eu-west-1", f"crd_{ULID}", mint()),
        render("prod", f"crd_{ULID}", mint())[:60],
        render_service_credential(f"svc_{ULID}", mint()),
        render_plan_credential(f"pln_{ULID}", mint()),
        f"{JWT}.c2lnbmF0dXJl",
        f"{JWT}.",
        JWT,
    ],
    ids=["key", "key-of-a-hyphened-place", "key-cut-off", "service", "plan", "token", "unsigned", "token-cut-off"],
)
def test_a_secret_is_spotted_wherever_it_stands(before: str, secret: str) -> None:
    assert holds_secret(f"{before}{secret} in the log")
    assert without_secrets(f"{before}{secret} in the log") == f"{before}(a key was here) in the log"


@pytest.mark.parametrize(
    "text",
    ["", "the key leaked", f"key_{ULID}", f"km_prod_{ULID}", "km_prod_…", "kms_key_policy", "eyJhbGciOi", "eyJ.eyJ."],
)  # fmt: skip
def test_what_is_no_secret_stays(text: str) -> None:
    assert not holds_secret(text)
    assert without_secrets(text) == text
