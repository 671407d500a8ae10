import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keymgr.tokens.verdicts import VerdictCode
from keymgr.verifier.challenge import Bearer, bearer_token, rate_limit_fields, www_authenticate
from keymgr.verifier.key import Limit


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
def test_the_scheme_is_written_in_any_case(scheme: str) -> None:
    assert bearer_token(f"{scheme} a.b-c_d~e+f/g=") == Bearer("a.b-c_d~e+f/g=")


@pytest.mark.parametrize("header", [None, "", "Basic dXNlcjpwYXNz", "DPoP abc", "Bearerabc", "abc", "Bearer\tabc"])
def test_another_scheme_or_none_presents_no_key(header: str | None) -> None:
    assert bearer_token(header) is VerdictCode.KEY_MISSING


@pytest.mark.parametrize(
    "header",
    [
        "Bearer",
        "Bearer ",
        "Bearer  abc",
        "Bearer abc ",
        "Bearer abc def",
        "Bearer abc,Bearer def",
        "Bearer abc, Bearer def",
        "Bearer abc,def",
        "Bearer abc\n",
        "Bearer abc\x00",
        "Bearer äbc",
    ],
)
def test_what_could_be_two_keys_is_no_key(header: str) -> None:
    assert bearer_token(header) is VerdictCode.KEY_INVALID


@given(st.text())
def test_no_header_raises(header: str) -> None:
    assert bearer_token(f"Bearer {header}") is not VerdictCode.KEY_MISSING
    bearer_token(header)


def test_the_key_stays_out_of_the_representation() -> None:
    assert "abc" not in repr(bearer_token("Bearer abc"))


def test_a_challenge_without_key_names_no_error() -> None:
    assert www_authenticate(VerdictCode.KEY_MISSING, "No key.") == 'Bearer realm="keymgr"'


def test_a_challenge_for_a_bad_key_says_what_is_wrong() -> None:
    expected = 'Bearer realm="keymgr", error="invalid_token", error_description="The key was revoked."'
    assert www_authenticate(VerdictCode.KEY_REVOKED, "The key was revoked.", ["charges:read"]) == expected


def test_a_challenge_for_a_missing_scope_names_the_scopes_that_are_needed() -> None:
    assert www_authenticate(VerdictCode.SCOPE_MISSING, "No.", {"b:write", "a:read"}) == (
        'Bearer realm="keymgr", error="insufficient_scope", error_description="No.", scope="a:read b:write"'
    )


@pytest.mark.parametrize("code", ["ok", "context_denied", "rate_limited", "quota_exceeded", "verifier_unavailable"])
def test_only_401_and_a_missing_scope_challenge(code: str) -> None:
    assert www_authenticate(VerdictCode(code), "No.") is None


@given(st.text())
def test_a_message_cannot_break_out_of_its_quotes(message: str) -> None:
    challenge = www_authenticate(VerdictCode.KEY_INVALID, message)
    assert challenge is not None
    assert re.fullmatch(r'Bearer realm="keymgr", error="invalid_token", error_description="[ !#-\[\]-~]*"', challenge)


def test_limits_are_written_as_the_draft_asks() -> None:
    limits = (Limit("burst", 100, 50, 30, 60), Limit("daily", 1000, 999, 86_399))
    assert rate_limit_fields(limits) == (
        ("RateLimit-Policy", '"burst";q=100;w=60, "daily";q=1000'),
        ("RateLimit", '"burst";r=50;t=30, "daily";r=999;t=86399'),
    )


def test_without_limits_nothing_is_said_of_them() -> None:
    assert rate_limit_fields(()) == ()
