"""What the token tests share: one key per algorithm, sample claims, and a way to write any token by hand."""

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

import jwt
import pytest
from hypothesis import settings

from keymgr.tokens.claims import Claims
from keymgr.tokens.signing import Algorithm, SigningKey, VerifyingKey, generate, verifying_key

# A busy machine is slow now and then; that is no finding.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

# Writes the token with this header and payload, signed with the key; a payload may also be raw bytes.
Craft = Callable[[Mapping[str, Any] | bytes, Mapping[str, Any] | bytes, SigningKey], str]


@pytest.fixture(scope="session")
def keys() -> dict[Algorithm, SigningKey]:
    return {algorithm: generate(algorithm) for algorithm in Algorithm}


@pytest.fixture(scope="session")
def registry(keys: dict[Algorithm, SigningKey]) -> dict[str, VerifyingKey]:
    return {key.kid: verifying_key(key) for key in keys.values()}


@pytest.fixture(scope="session")
def claims() -> Claims:
    return Claims(
        issuer="https://keys.example.com",
        subject="svc:checkout",
        audience="payments",
        client_id="key_01kafp2c0000000000000000ab",
        credential_id="crd_01kafp2c0000000000000000cd",
        scopes=frozenset({"charges:read", "refunds:write"}),
        environment="eu-prod",
        issued_at=1_800_000_000,
        not_before=1_800_000_000,
        expires_at=1_800_086_400,
        status_index=12_345,
        status_uri="https://keys.example.com/status/1",
        policy="0f1e2d3c4b5a:payments-readers",
        secret="c2VjcmV0" * 5 + "abc",
    )


@pytest.fixture(scope="session")
def craft() -> Craft:
    def write(header: Mapping[str, Any] | bytes, payload: Mapping[str, Any] | bytes, key: SigningKey) -> str:
        signing_input = f"{segment(header)}.{segment(payload)}"
        signer = jwt.get_algorithm_by_name(key.algorithm.value)
        signature = signer.sign(signing_input.encode(), signer.prepare_key(key.private))
        return f"{signing_input}.{segment(signature)}"

    def segment(value: Mapping[str, Any] | bytes) -> str:
        raw = value if isinstance(value, bytes) else json.dumps(value).encode()
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")

    return write
