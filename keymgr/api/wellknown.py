"""What verifiers fetch: the public keys, what this issuer offers, and the status list."""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, request

from keymgr.api.desk import Desk
from keymgr.api.problem import Problem, ProblemCode
from keymgr.api.request_id import request_id
from keymgr.api.status_list import TTL_SECONDS, StatusLists
from keymgr.keys.signing_keys import public_jwks
from keymgr.tokens.keyring import jwks
from keymgr.tokens.status_list import STATUS_LIST_TYPE

# A new signing key is published before its first use for longer than this (signing key state `next`).
JWKS_SECONDS = 300


def add_wellknown(blueprint: Blueprint, desk: Desk) -> None:
    """Add the published documents to the machine's door."""
    lists = StatusLists(desk)

    @blueprint.get("/.well-known/jwks.json")
    def show_jwks() -> Response:
        """Publish every key whose tokens are good, and the next one (RFC 7517)."""
        with desk.reading() as session:
            return _document(jwks(public_jwks(session)), "application/jwk-set+json", JWKS_SECONDS)

    @blueprint.get("/.well-known/oauth-authorization-server")
    def show_metadata() -> Response:
        """Say what this issuer offers (RFC 8414): only what exists."""
        return _document(_metadata(desk), "application/json", JWKS_SECONDS)

    @blueprint.get("/status-lists/1")
    def show_status_list() -> Response:
        """Publish the signed Token Status List."""
        found = lists.current(datetime.now(UTC))
        if found is None:
            sentence = "There is no status list: no token was issued yet, or tokens are signed with a shared secret."
            return Problem(ProblemCode.NOT_FOUND, sentence).answer(desk.public_url, request_id()).to_flask()
        return _cacheable(found.token.encode(), f"application/{STATUS_LIST_TYPE}", found.etag, TTL_SECONDS)


def _metadata(desk: Desk) -> Mapping[str, Any]:
    return {
        "issuer": desk.issuer.url,
        "jwks_uri": f"{desk.public_url}/.well-known/jwks.json",
        # Required by RFC 8414 even where there is no authorization endpoint.
        "response_types_supported": [],
        "grant_types_supported": [],
    }


def _document(value: Mapping[str, Any], content_type: str, seconds: int) -> Response:
    body = json.dumps(value, separators=(",", ":"), sort_keys=True).encode()
    return _cacheable(body, content_type, hashlib.sha256(body).hexdigest()[:32], seconds)


def _cacheable(body: bytes, content_type: str, etag: str, seconds: int) -> Response:
    response = Response(body, content_type=content_type)
    response.set_etag(etag)
    response.cache_control.public = True
    response.cache_control.max_age = seconds
    response.make_conditional(request)
    return response
