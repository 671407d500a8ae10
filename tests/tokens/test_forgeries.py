"""What broke other people's verifiers (reference/security.md, section 3, lessons 1 to 9), tried on ours."""

import base64
import dataclasses
import hashlib
import json
import socket
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jwe
from joserfc.jwk import ECKey, RSAKey

from keymgr.tokens.claims import Claims, to_payload
from keymgr.tokens.rejected import Rejected, Rejection
from keymgr.tokens.signing import Algorithm, PublicKey, SigningKey, VerifyingKey, generate, public_jwk, verifying_key
from keymgr.tokens.status_list import encode, wrap_status_list
from keymgr.tokens.wrap import unwrap, wrap

ISSUER = "https://keys.example.com"
NOW = 1_800_000_000
PUBLISHED = (Algorithm.ES256, Algorithm.EDDSA, Algorithm.RS256)
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def raw_of(segment: str) -> bytes:
    return base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))


@dataclasses.dataclass(frozen=True)
class Bench:
    keys: dict[Algorithm, SigningKey]
    registry: dict[str, VerifyingKey]
    claims: Claims
    craft: Callable[[object, object, SigningKey], str]

    def reason(self, token: str) -> Rejection | None:
        answer = unwrap(token, self.registry, issuer=ISSUER, now=NOW)
        return answer.reason if isinstance(answer, Rejected) else None


@pytest.fixture
def bench(
    keys: dict[Algorithm, SigningKey],
    registry: dict[str, VerifyingKey],
    claims: Claims,
    craft: Callable[[object, object, SigningKey], str],
) -> Bench:
    return Bench(keys, registry, claims, craft)


def shapes(key: SigningKey) -> dict[str, bytes]:
    """Everything that an attacker could make of a published key and use as an HMAC secret."""
    public: PublicKey = verifying_key(key).public
    assert not isinstance(public, bytes)
    jwk = public_jwk(key)
    forms = {
        "pem": public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "der": public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "ssh": public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH),
        "jwk": json.dumps(jwk).encode(),
        "jwk compact": json.dumps(jwk, separators=(",", ":"), sort_keys=True).encode(),
        "jwks": json.dumps({"keys": [jwk]}).encode(),
        "thumbprint": raw_of(key.kid.removeprefix("km-")),
        "kid": key.kid.encode(),
        "nothing": b"",
    }
    if key.algorithm is Algorithm.RS256:
        forms["pkcs1 pem"] = public.public_bytes(Encoding.PEM, PublicFormat.PKCS1)
        forms["pkcs1 der"] = public.public_bytes(Encoding.DER, PublicFormat.PKCS1)
    return forms | {f"{name} trimmed": raw.strip() for name, raw in forms.items()}


@pytest.mark.parametrize("algorithm", PUBLISHED)
@pytest.mark.parametrize("hash_name", ["sha256", "sha384", "sha512"])
def test_a_public_key_is_never_taken_as_an_hmac_secret(algorithm: Algorithm, hash_name: str, bench: Bench) -> None:
    key = bench.keys[algorithm]
    header = {"alg": f"HS{hash_name[3:]}", "kid": key.kid, "typ": "at+jwt"}
    signing_input = f"{b64(json.dumps(header).encode())}.{b64(json.dumps(to_payload(bench.claims)).encode())}"
    for name, secret in shapes(key).items():
        signature = hmac_of(secret, signing_input.encode(), hash_name)
        assert bench.reason(f"{signing_input}.{b64(signature)}") is Rejection.WRONG_ALGORITHM, name


def hmac_of(key: bytes, message: bytes, hash_name: str) -> bytes:
    """Compute an HMAC by its definition, so that no library's key check stands in the forger's way."""
    block = hashlib.new(hash_name).block_size
    padded = (hashlib.new(hash_name, key).digest() if len(key) > block else key).ljust(block, b"\x00")
    inner = hashlib.new(hash_name, bytes(byte ^ 0x36 for byte in padded) + message).digest()
    return hashlib.new(hash_name, bytes(byte ^ 0x5C for byte in padded) + inner).digest()


@pytest.mark.parametrize(
    "named", ["none", "None", "NONE", "noNE", "", "ES256 ", "es256", "ES384", "ES256K", "PS256", "Ed25519"]
)
@pytest.mark.parametrize("algorithm", Algorithm)
def test_the_header_cannot_choose_the_algorithm(algorithm: Algorithm, named: str, bench: Bench) -> None:
    header = {"alg": named, "kid": bench.keys[algorithm].kid, "typ": "at+jwt"}
    token = bench.craft(header, to_payload(bench.claims), bench.keys[algorithm])
    assert bench.reason(token) is Rejection.WRONG_ALGORITHM
    assert bench.reason(token[: token.rindex(".") + 1]) is Rejection.MALFORMED


@pytest.mark.parametrize("named", Algorithm)
@pytest.mark.parametrize("signed_with", Algorithm)
def test_a_key_verifies_only_its_own_algorithm_under_its_own_kid(
    named: Algorithm, signed_with: Algorithm, bench: Bench
) -> None:
    for kid_of in Algorithm:
        header = {"alg": named, "kid": bench.keys[kid_of].kid, "typ": "at+jwt"}
        accepted = bench.reason(bench.craft(header, to_payload(bench.claims), bench.keys[signed_with])) is None
        assert accepted == (named == signed_with == kid_of)


@pytest.mark.parametrize(
    "kid",
    ["", "km-", "../../dev/null", "' OR 1=1 --", "https://evil.example/key", "km-x\x00", "KM-", "\n"],
)
def test_a_kid_is_only_ever_looked_up(kid: str, bench: Bench) -> None:
    key = bench.keys[Algorithm.ES256]
    for forged in (kid, key.kid + kid, key.kid.upper(), key.kid[:-1]):
        if forged != key.kid:
            token = bench.craft({"alg": "ES256", "kid": forged, "typ": "at+jwt"}, to_payload(bench.claims), key)
            assert bench.reason(token) is Rejection.UNKNOWN_KEY


@pytest.mark.parametrize("crit", [["x"], [], "x", ["b64"], ["exp"], ["alg"], [7], None])
def test_a_critical_extension_is_never_ignored(crit: object, bench: Bench) -> None:
    header = {"alg": "ES256", "kid": bench.keys[Algorithm.ES256].kid, "typ": "at+jwt", "crit": crit, "b64": True}
    assert (
        bench.reason(bench.craft(header, to_payload(bench.claims), bench.keys[Algorithm.ES256])) is Rejection.MALFORMED
    )


@pytest.mark.parametrize("member", ["jku", "x5u", "iss"])
@pytest.mark.parametrize("scheme", ["http", "https", "file", "ftp", "gopher", "HTTP"])
def test_no_address_in_a_token_is_ever_visited(member: str, scheme: str, bench: Bench) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0)
        address = f"{scheme}://127.0.0.1:{listener.getsockname()[1]}/jwks.json"
        header = {"alg": "ES256", "kid": "km-unknown", "typ": "at+jwt", member: address}
        payload = {**to_payload(bench.claims), "iss": address}
        assert bench.reason(bench.craft(header, payload, bench.keys[Algorithm.ES256])) is not None
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_a_key_that_the_token_brings_along_is_not_used(bench: Bench) -> None:
    own = generate(Algorithm.ES256)
    for extra in ({"jwk": public_jwk(own)}, {"x5c": ["AAAA"]}, {}):
        header = {"alg": "ES256", "kid": own.kid, "typ": "at+jwt", **extra}
        assert bench.reason(bench.craft(header, to_payload(bench.claims), own)) in {
            Rejection.MALFORMED,
            Rejection.UNKNOWN_KEY,
        }


@pytest.mark.parametrize(
    ("algorithm", "library", "wrapping"),
    [(Algorithm.ES256, ECKey, "ECDH-ES"), (Algorithm.RS256, RSAKey, "RSA-OAEP")],
)
def test_an_encrypted_token_is_not_a_signed_one(
    algorithm: Algorithm,
    library: type[ECKey | RSAKey],
    wrapping: str,
    bench: Bench,
) -> None:
    jwk: dict[str, str | list[str]] = {
        name: value for name, value in (public_jwk(bench.keys[algorithm]) or {}).items() if name not in {"use", "alg"}
    }
    header = {"alg": wrapping, "enc": "A256GCM", "kid": bench.keys[algorithm].kid, "typ": "at+jwt"}
    token = jwe.encrypt_compact(header, json.dumps(to_payload(bench.claims)), library.import_key(jwk))
    assert token.count(".") == 4
    assert bench.reason(token) is Rejection.MALFORMED
    first, _, middle, _, last = token.split(".")
    assert bench.reason(f"{first}.{middle}.{last}") is Rejection.MALFORMED


def test_signatures_of_zeros_or_of_the_group_order_do_not_fit(bench: Bench) -> None:
    body = wrap(bench.claims, bench.keys[Algorithm.ES256]).rsplit(".", 1)[0]
    values = (0, 1, P256_ORDER - 1, P256_ORDER, P256_ORDER + 1, 2**256 - 1)
    for r in values:
        for s in values:
            token = f"{body}.{b64(r.to_bytes(32) + s.to_bytes(32))}"
            assert bench.reason(token) is Rejection.BAD_SIGNATURE


def test_a_signature_of_another_length_or_form_does_not_fit(bench: Bench) -> None:
    body, signature = wrap(bench.claims, bench.keys[Algorithm.ES256]).rsplit(".", 1)
    raw = raw_of(signature)
    der = encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
    assert decode_dss_signature(der)
    padded = b"\x00" + raw[:32] + b"\x00" + raw[32:]
    for wrong in (der, padded, raw + b"\x00", b"\x00" + raw, raw[:63], raw[:32], raw * 2, b"\x00"):
        assert bench.reason(f"{body}.{b64(wrong)}") is Rejection.BAD_SIGNATURE


@pytest.mark.parametrize("algorithm", Algorithm)
def test_a_token_of_one_kind_is_never_taken_for_another(algorithm: Algorithm, bench: Bench) -> None:
    key = bench.keys[algorithm]
    kinds = (
        "JWT",
        "statuslist+jwt",
        "session+jwt",
        "approval+jwt",
        "client-authentication+jwt",
        "dpop+jwt",
        "",
        "at+JWT",
    )
    for typ in kinds:
        token = bench.craft({"alg": algorithm, "kid": key.kid, "typ": typ}, to_payload(bench.claims), key)
        assert bench.reason(token) is Rejection.WRONG_TYPE
    status = wrap_status_list(
        encode(8, []), key, issuer=ISSUER, uri=f"{ISSUER}/status/1", issued_at=NOW, expires_at=NOW + 60, ttl_seconds=30
    )
    assert bench.reason(status) is Rejection.WRONG_TYPE


def test_the_keys_of_one_issuer_do_not_speak_for_another(bench: Bench) -> None:
    issuers = {name: generate(Algorithm.ES256) for name in (ISSUER, "https://staging.example.com")}
    for trusted, trusted_key in issuers.items():
        own_registry = {trusted_key.kid: verifying_key(trusted_key)}
        for claimed in issuers:
            for key in issuers.values():
                token = wrap(dataclasses.replace(bench.claims, issuer=claimed), key)
                answer = unwrap(token, own_registry, issuer=trusted, now=NOW)
                assert isinstance(answer, Claims) == (claimed == trusted and key is trusted_key)


@pytest.mark.parametrize(
    "payload",
    [
        '{"exp":1800086400,"exp":9007199254740991}',
        '{"iss":"https://evil.example","iss":"https://keys.example.com"}',
    ],
)
def test_a_signed_token_with_duplicate_members_is_refused(payload: str, bench: Bench) -> None:
    whole = json.dumps(to_payload(bench.claims))[:-1] + "," + payload[1:]
    header = {"alg": "ES256", "kid": bench.keys[Algorithm.ES256].kid, "typ": "at+jwt"}
    assert bench.reason(bench.craft(header, whole.encode(), bench.keys[Algorithm.ES256])) is Rejection.MALFORMED


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32", "utf-8-sig"])
def test_a_signed_token_in_another_encoding_is_refused(encoding: str, bench: Bench) -> None:
    header = {"alg": "ES256", "kid": bench.keys[Algorithm.ES256].kid, "typ": "at+jwt"}
    payload = json.dumps(to_payload(bench.claims)).encode(encoding)
    assert bench.reason(bench.craft(header, payload, bench.keys[Algorithm.ES256])) is Rejection.MALFORMED


@pytest.mark.parametrize("value", ["1900000000", 1.9e9, True, None, [1_900_000_000], 2**53, -1])
@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
def test_a_signed_token_with_a_date_that_is_no_integer_is_refused(name: str, value: object, bench: Bench) -> None:
    header = {"alg": "ES256", "kid": bench.keys[Algorithm.ES256].kid, "typ": "at+jwt"}
    token = bench.craft(header, {**to_payload(bench.claims), name: value}, bench.keys[Algorithm.ES256])
    assert bench.reason(token) is Rejection.MALFORMED


@pytest.mark.parametrize("issuer", [[ISSUER], {"iss": ISSUER}, None, 7, ISSUER + "/", ISSUER.upper(), ISSUER[:-1]])
def test_a_signed_token_of_a_lookalike_issuer_is_refused(issuer: object, bench: Bench) -> None:
    header = {"alg": "ES256", "kid": bench.keys[Algorithm.ES256].kid, "typ": "at+jwt"}
    token = bench.craft(header, {**to_payload(bench.claims), "iss": issuer}, bench.keys[Algorithm.ES256])
    assert bench.reason(token) in {Rejection.MALFORMED, Rejection.WRONG_ISSUER}


@pytest.mark.parametrize("algorithm", Algorithm)
def test_a_signature_has_one_spelling(algorithm: Algorithm, bench: Bench) -> None:
    token = wrap(bench.claims, bench.keys[algorithm])
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    accepted = [token[:-1] + last for last in alphabet if bench.reason(token[:-1] + last) is None]
    assert accepted == [token]
    assert bench.reason(token + "A") is not None
    for spelling in (token + "=", token + "==", token + "\n", token.replace(".", "=.", 1)):
        assert bench.reason(spelling) is Rejection.MALFORMED
