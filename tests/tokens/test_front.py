import base64
import string
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keymgr.tokens.front import Presented, inspect
from keymgr.tokens.rejected import Rejected, Rejection

HEADER = b'{"alg":"ES256","kid":"km-x","typ":"at+jwt"}'
PAYLOAD = b'{"sub":"svc:checkout"}'


def segment(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def token(header: bytes = HEADER, payload: bytes = PAYLOAD, signature: bytes = b"\x00" * 64) -> str:
    return f"{segment(header)}.{segment(payload)}.{segment(signature)}"


def reason(text: str) -> Rejection | None:
    answer = inspect(text, typ="at+jwt")
    return answer.reason if isinstance(answer, Rejected) else None


def test_a_token_of_our_shape_passes() -> None:
    assert inspect(token(), typ="at+jwt") == Presented("ES256", "km-x", {"sub": "svc:checkout"})


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "..",
        "...",
        "a.b",
        "a.b.c.d",
        "a.b.c.d.e",
        token() + "=",
        token() + "==",
        token() + "\n",
        token() + " ",
        " " + token(),
        "Bearer " + token(),
        token().replace(".", ".="),
        token().replace(".", ". "),
        token().replace(".", ",", 1),
        token() + ".",
        "." + token(),
        token()[: token().rindex(".") + 1],
        token()[:-1] + "+",
        token()[:-1] + "/",
        token()[:-1] + "\x00",
        token()[:-1] + "é",
        token()[:-1] + "\ud800",
        token()[:-1] + "B",
        '{"payload":"e30","signatures":[]}',
    ],
)
def test_a_text_that_is_not_three_segments_of_base64url_is_malformed(text: str) -> None:
    assert reason(text) is Rejection.MALFORMED


def test_the_last_character_has_one_spelling_only() -> None:
    text = token()  # 64 bytes of signature leave four unused bits in the last character.
    spellings = [text[:-1] + last for last in string.ascii_letters + string.digits + "-_"]
    assert {spelling[-1] for spelling in spellings if reason(spelling) is None} == set("AQgw")


def test_a_token_may_have_8192_characters_and_not_one_more() -> None:
    tokens = [token(payload=b'{"sub":"' + b"a" * length + b'"}') for length in range(6000, 6050)]
    assert {len(text) for text in tokens} >= {8192, 8194}
    for text in tokens:
        assert (reason(text) is None) == (len(text) <= 8192)


def test_ten_megabytes_are_refused_at_once() -> None:
    text = "a" * 10_000_000
    start = time.perf_counter()
    assert reason(text) is Rejection.MALFORMED
    assert time.perf_counter() - start < 0.05


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"7",
        b"{",
        b"{}{}",
        b"{'alg':1}",
        b'{"a":1,}',
        b'{"a":1,"a":1}',
        b'{"a":{"b":1,"b":2}}',
        b'{"a":[{"b":1,"\\u0062":2}]}',
        b'{"a":1.0}',
        b'{"a":1e3}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":-Infinity}',
        b'{"a":9007199254740992}',
        b'{"a":-9007199254740992}',
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"a":"\\ud800"}',
        b'{"\\udfff":"a"}',
        b'{"a":[["\\ud800"]]}',
        b'{"a":"\xff"}',
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":"\xc0\xaf"}',
        b'{"a":"\n"}',
        b"\xef\xbb\xbf{}",
        '{"sub":"a"}'.encode("utf-16"),
        '{"sub":"a"}'.encode("utf-16-le"),
        '{"sub":"a"}'.encode("utf-32"),
        b'{"a":' + b"[" * 2900 + b"]" * 2900 + b"}",
        b'{"a":' * 1100 + b"1" + b"}" * 1100,
    ],
)
def test_a_header_or_payload_that_is_not_a_plain_json_object_is_malformed(raw: bytes) -> None:
    assert reason(token(payload=raw)) is Rejection.MALFORMED
    assert reason(token(header=raw)) is Rejection.MALFORMED


@pytest.mark.parametrize("raw", [b'{"a":"\\ud83d\\ude00"}', b'{"a":"\\u0062"}', b'{"a":9007199254740991}', b"{}"])
def test_unusual_but_plain_json_passes(raw: bytes) -> None:
    assert reason(token(payload=raw)) is None


@pytest.mark.parametrize(
    "extra",
    [
        '"crit":["x"]',
        '"crit":[]',
        '"crit":"x"',
        '"crit":["b64"]',
        '"crit":["exp"],"exp":1',
        '"b64":false',
        '"b64":true',
        '"jku":"https://evil.example/jwks"',
        '"x5u":"file:///etc/passwd"',
        '"x5c":["AAAA"]',
        '"x5t":"AAAA"',
        '"jwk":{"kty":"oct","k":"AAAA"}',
        '"zip":"DEF"',
        '"enc":"A256GCM"',
        '"cty":"JWT"',
        '"url":"https://evil.example/"',
        '"alg ":"none"',
        '"kid":"km-x"',
        '"alg":"none"',
    ],
)
def test_a_header_with_anything_more_is_malformed(extra: str) -> None:
    assert reason(token(header=HEADER[:-1] + b"," + extra.encode() + b"}")) is Rejection.MALFORMED


@pytest.mark.parametrize(
    "header",
    [
        b'{"alg":["ES256"],"kid":"km-x","typ":"at+jwt"}',
        b'{"alg":"ES256","kid":7,"typ":"at+jwt"}',
        b'{"alg":"ES256","kid":null,"typ":"at+jwt"}',
        b'{"alg":"ES256","kid":"km-x","typ":["at+jwt"]}',
        b'{"alg":"ES256","typ":"at+jwt"}',
        b'{"kid":"km-x","typ":"at+jwt"}',
        b'{"typ":"at+jwt"}',
    ],
)
def test_a_header_must_name_algorithm_and_key_as_text(header: bytes) -> None:
    assert reason(token(header=header)) is Rejection.MALFORMED


@pytest.mark.parametrize(
    "typ",
    [
        "JWT",
        "jwt",
        "AT+JWT",
        "application/at+jwt",
        "at+jwt ",
        "",
        "statuslist+jwt",
        "dpop+jwt",
        "client-authentication+jwt",
    ],
)
def test_a_token_of_another_type_is_refused(typ: str) -> None:
    assert reason(token(header=HEADER.replace(b"at+jwt", typ.encode()))) is Rejection.WRONG_TYPE


def test_a_token_without_type_is_refused() -> None:
    assert reason(token(header=b'{"alg":"ES256","kid":"km-x"}')) is Rejection.WRONG_TYPE


@given(st.text() | st.text(alphabet=string.ascii_letters + string.digits + "-_."))
def test_random_text_is_refused_and_never_raises(text: str) -> None:
    assert reason(text) is not None


@given(st.binary(), st.binary(), st.binary())
def test_random_bytes_in_the_right_envelope_are_refused_and_never_raise(one: bytes, two: bytes, three: bytes) -> None:
    assert reason(token(one, two, three)) is not None


@given(st.text(max_size=50), st.integers(0, 200))
def test_the_refusal_never_quotes_the_token(text: str, place: int) -> None:
    whole = token()
    answer = inspect(whole[:place] + text + "\x1b[31m\r\n" + whole[place:], typ="at+jwt")
    assert isinstance(answer, Rejected)
    assert answer.sentence.isprintable()
