import base64
import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keymgr.tokens.claims import LEEWAY_SECONDS, Claims, check_dates, from_payload, to_payload
from keymgr.tokens.rejected import Rejected, Rejection
from keymgr.tokens.signing import Algorithm, SigningKey, VerifyingKey, generate, verifying_key
from keymgr.tokens.verdicts import VerdictCode
from keymgr.tokens.wrap import unwrap, wrap

ISSUER = "https://keys.example.com"
NOW = 1_800_000_000
Keys = dict[Algorithm, SigningKey]
Registry = dict[str, VerifyingKey]

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
SCOPE = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters='"\\'), min_size=1, max_size=20
)
DATE = st.integers(0, 2**53 - 1)
CLAIMS = st.builds(
    Claims,
    issuer=TEXT,
    subject=TEXT,
    audience=TEXT,
    client_id=TEXT,
    credential_id=TEXT,
    scopes=st.frozensets(SCOPE, min_size=1, max_size=10),
    environment=TEXT,
    issued_at=st.just(NOW) | st.integers(0, NOW),
    not_before=st.integers(0, NOW),
    expires_at=st.integers(NOW + 1, 2**53 - 1),
    status_index=DATE,
    status_uri=TEXT,
    policy=TEXT,
    secret=st.none() | TEXT,
)


def reason(answer: Claims | Rejected) -> Rejection | None:
    return answer.reason if isinstance(answer, Rejected) else None


@pytest.mark.parametrize("algorithm", Algorithm)
def test_what_is_wrapped_is_unwrapped(algorithm: Algorithm, keys: Keys, registry: Registry, claims: Claims) -> None:
    assert unwrap(wrap(claims, keys[algorithm]), registry, issuer=ISSUER, now=NOW) == claims


@given(claims=CLAIMS)
def test_any_claims_come_back_as_they_were(claims: Claims, keys: Keys, registry: Registry) -> None:
    token = wrap(claims, keys[Algorithm.ES256])
    assert unwrap(token, registry, issuer=claims.issuer, now=NOW) == claims


@settings(max_examples=300)
@given(data=st.data())
def test_any_flipped_bit_is_refused(data: st.DataObject, keys: Keys, registry: Registry, claims: Claims) -> None:
    token = wrap(claims, keys[data.draw(st.sampled_from(Algorithm))])
    place, bit = data.draw(st.integers(0, len(token) - 1)), data.draw(st.integers(0, 7))
    flipped = token[:place] + chr(ord(token[place]) ^ 1 << bit) + token[place + 1 :]
    assert reason(unwrap(flipped, registry, issuer=ISSUER, now=NOW)) is not None


@settings(max_examples=300)
@given(data=st.data())
def test_any_flipped_bit_beneath_the_base64_is_refused(
    data: st.DataObject, keys: Keys, registry: Registry, claims: Claims
) -> None:
    segments = wrap(claims, keys[data.draw(st.sampled_from(Algorithm))]).split(".")
    which = data.draw(st.integers(0, 2))
    raw = bytearray(base64.urlsafe_b64decode(segments[which] + "=="))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    segments[which] = base64.urlsafe_b64encode(raw).decode().rstrip("=")
    assert reason(unwrap(".".join(segments), registry, issuer=ISSUER, now=NOW)) is not None


@given(st.text())
def test_random_text_never_raises(registry: Registry, text: str) -> None:
    assert reason(unwrap(text, registry, issuer=ISSUER, now=NOW)) is Rejection.MALFORMED


def test_every_es256_token_starts_with_the_same_32_characters(claims: Claims) -> None:
    tokens = {wrap(claims, generate(Algorithm.ES256))[:32] for _ in range(20)}
    assert tokens == {"eyJhbGciOiJFUzI1NiIsImtpZCI6Imtt"}


def test_the_header_is_algorithm_kid_and_type(keys: Keys, claims: Claims) -> None:
    header = json.loads(base64.urlsafe_b64decode(wrap(claims, keys[Algorithm.ES256]).split(".")[0] + "=="))
    assert header == {"alg": "ES256", "kid": keys[Algorithm.ES256].kid, "typ": "at+jwt"}


def test_the_payload_has_the_documented_claims(keys: Keys, claims: Claims) -> None:
    payload = json.loads(base64.urlsafe_b64decode(wrap(claims, keys[Algorithm.ES256]).split(".")[1] + "=="))
    assert payload == {
        "iss": ISSUER,
        "sub": "svc:checkout",
        "aud": "payments",
        "client_id": "key_01kafp2c0000000000000000ab",
        "jti": "crd_01kafp2c0000000000000000cd",
        "scope": "charges:read refunds:write",
        "env": "eu-prod",
        "iat": NOW,
        "nbf": NOW,
        "exp": NOW + 86_400,
        "status": {"status_list": {"idx": 12_345, "uri": f"{ISSUER}/status/1"}},
        "pol": "0f1e2d3c4b5a:payments-readers",
        "sec": claims.secret,
    }


def test_the_wrapped_secret_stays_out_of_the_representation(claims: Claims) -> None:
    assert claims.secret is not None
    assert claims.secret not in repr(claims)


@pytest.mark.parametrize(
    "change",
    [
        {"subject": ""},
        {"audience": ["payments"]},
        {"scopes": frozenset()},
        {"scopes": frozenset({"a b"})},
        {"scopes": frozenset({'a"b'})},
        {"scopes": frozenset({"r\u0435ad"})},
        {"expires_at": 1.5},
        {"expires_at": True},
        {"expires_at": -1},
        {"expires_at": 2**53},
        {"issued_at": None},
        {"status_index": True},
        {"status_index": -1},
        {"status_uri": ""},
        {"secret": ""},
        {"policy": "\ud800"},
    ],
    ids=str,
)
def test_claims_that_nobody_would_accept_are_not_wrapped(change: dict[str, Any], keys: Keys, claims: Claims) -> None:
    with pytest.raises(ValueError, match=r"cannot be wrapped|surrogates not allowed"):
        wrap(dataclasses.replace(claims, **change), keys[Algorithm.ES256])


def test_a_token_beyond_the_length_limit_is_not_wrapped(keys: Keys, claims: Claims) -> None:
    many = frozenset(f"charges:scope-{number}" for number in range(500))
    with pytest.raises(ValueError, match="fewer scopes"):
        wrap(dataclasses.replace(claims, scopes=many), keys[Algorithm.ES256])


def test_a_key_that_is_not_in_the_registry_is_unknown(keys: Keys, registry: Registry, claims: Claims) -> None:
    token = wrap(claims, generate(Algorithm.ES256))
    assert reason(unwrap(token, registry, issuer=ISSUER, now=NOW)) is Rejection.UNKNOWN_KEY
    assert reason(unwrap(wrap(claims, keys[Algorithm.ES256]), {}, issuer=ISSUER, now=NOW)) is Rejection.UNKNOWN_KEY


def test_a_signature_by_another_key_of_the_same_kind_does_not_fit(keys: Keys, claims: Claims) -> None:
    impostor = VerifyingKey(keys[Algorithm.ES256].kid, Algorithm.ES256, verifying_key(generate(Algorithm.ES256)).public)
    answer = unwrap(wrap(claims, keys[Algorithm.ES256]), {impostor.kid: impostor}, issuer=ISSUER, now=NOW)
    assert reason(answer) is Rejection.BAD_SIGNATURE


@pytest.mark.parametrize(
    "issuer",
    [
        "https://keys.example.co",
        "https://keys.example.com/",
        "https://keys.example.com.evil",
        "HTTPS://keys.example.com",
        "",
        "keys",
    ],
)
def test_the_issuer_is_compared_character_by_character(
    issuer: str, keys: Keys, registry: Registry, claims: Claims
) -> None:
    token = wrap(claims, keys[Algorithm.ES256])
    assert reason(unwrap(token, registry, issuer=issuer, now=NOW)) is Rejection.WRONG_ISSUER


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (NOW - LEEWAY_SECONDS - 1, Rejection.NOT_YET_VALID),
        (NOW - LEEWAY_SECONDS, None),
        (NOW, None),
        (NOW + 86_400, None),
        (NOW + 86_400 + LEEWAY_SECONDS - 1, None),
        (NOW + 86_400 + LEEWAY_SECONDS, Rejection.EXPIRED),
        (2**40, Rejection.EXPIRED),
        (0, Rejection.NOT_YET_VALID),
    ],
)
def test_dates_are_judged_at_the_given_time_with_one_leeway(
    at: int, expected: Rejection | None, keys: Keys, registry: Registry, claims: Claims
) -> None:
    assert reason(unwrap(wrap(claims, keys[Algorithm.ES256]), registry, issuer=ISSUER, now=at)) is expected


def test_a_token_issued_in_the_future_is_not_valid_yet(claims: Claims) -> None:
    early = dataclasses.replace(claims, not_before=0, issued_at=NOW + 31)
    answer = check_dates(early, now=NOW)
    assert answer is not None
    assert answer.reason is Rejection.NOT_YET_VALID


def test_without_leeway_a_token_ends_at_its_second(claims: Claims) -> None:
    assert check_dates(claims, now=claims.expires_at - 1, leeway_seconds=0) is None
    assert check_dates(claims, now=claims.expires_at, leeway_seconds=0) is not None


@pytest.mark.parametrize("leeway_seconds", [-1, 61, 3600])
def test_a_leeway_beyond_a_minute_is_refused(leeway_seconds: int, claims: Claims) -> None:
    with pytest.raises(ValueError, match="leeway"):
        check_dates(claims, now=NOW, leeway_seconds=leeway_seconds)


@pytest.mark.parametrize(
    "name", ["iss", "sub", "aud", "client_id", "jti", "env", "pol", "scope", "iat", "nbf", "exp", "status"]
)
@pytest.mark.parametrize("value", [None, "", [], ["x"], {}, 1.0, "1800000000", True, -1, 2**53])
def test_a_claim_of_the_wrong_kind_is_malformed(name: str, value: object, claims: Claims) -> None:
    payload = to_payload(claims)
    if name in {"iss", "sub", "aud", "client_id", "jti", "env", "pol", "scope"} and value == "1800000000":
        value = 1_800_000_000
    assert reason(from_payload({**payload, name: value})) is Rejection.MALFORMED
    del payload[name]
    assert reason(from_payload(payload)) is Rejection.MALFORMED


@pytest.mark.parametrize("scope", [" a", "a ", "a  b", "a\tb", "a\nb", "a\\b", "a\x7f"])
def test_scopes_are_separated_by_one_space(scope: str, claims: Claims) -> None:
    assert reason(from_payload({**to_payload(claims), "scope": scope})) is Rejection.MALFORMED


@pytest.mark.parametrize(
    "status",
    [
        {"status_list": {}},
        {"status_list": {"idx": 1}},
        {"status_list": {"uri": "u"}},
        {"status_list": {"idx": "1", "uri": "u"}},
        {"status_list": {"idx": True, "uri": "u"}},
        {"status_list": {"idx": 1, "uri": ""}},
        {"status_list": {"idx": 1, "uri": None}},
        {"status_list": [1, "u"]},
    ],
)
def test_a_status_must_name_a_place_in_a_list(status: object, claims: Claims) -> None:
    assert reason(from_payload({**to_payload(claims), "status": status})) is Rejection.MALFORMED


@pytest.mark.parametrize("secret", [None, "", 7, ["x"]])
def test_a_wrapped_secret_is_text_or_not_there(secret: object, claims: Claims) -> None:
    assert reason(from_payload({**to_payload(claims), "sec": secret})) is Rejection.MALFORMED


def test_claims_that_we_do_not_know_are_left_alone(claims: Claims) -> None:
    assert from_payload({**to_payload(claims), "act": {"sub": "svc:other"}}) == claims


def test_only_expiry_has_a_verdict_of_its_own() -> None:
    verdicts = {reason: Rejected(reason, "").code for reason in Rejection}
    assert verdicts.pop(Rejection.EXPIRED) is VerdictCode.KEY_EXPIRED
    assert set(verdicts.values()) == {VerdictCode.KEY_INVALID}
