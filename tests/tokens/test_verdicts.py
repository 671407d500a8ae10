import pytest

from keymgr.tokens.verdicts import HTTP_MEANINGS, HttpMeaning, VerdictCode


def test_every_verdict_has_a_meaning_over_http() -> None:
    assert set(HTTP_MEANINGS) == set(VerdictCode)


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        ("ok", HttpMeaning(200)),
        ("key_missing", HttpMeaning(401, challenge=True)),
        ("key_invalid", HttpMeaning(401, challenge=True, error="invalid_token")),
        ("key_expired", HttpMeaning(401, challenge=True, error="invalid_token")),
        ("key_revoked", HttpMeaning(401, challenge=True, error="invalid_token")),
        ("key_superseded", HttpMeaning(401, challenge=True, error="invalid_token")),
        ("key_suspended", HttpMeaning(401, challenge=True, error="invalid_token")),
        ("key_wrong_audience", HttpMeaning(401, challenge=True, error="invalid_token")),
        ("scope_missing", HttpMeaning(403, challenge=True, error="insufficient_scope")),
        ("context_denied", HttpMeaning(403)),
        ("rate_limited", HttpMeaning(429)),
        ("quota_exceeded", HttpMeaning(429)),
        ("verifier_unavailable", HttpMeaning(503)),
    ],
)
def test_the_table_is_the_documented_one(code: str, meaning: HttpMeaning) -> None:
    assert HTTP_MEANINGS[VerdictCode(code)] == meaning
