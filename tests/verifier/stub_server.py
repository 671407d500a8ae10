"""A small honest server that speaks the verify contract: it says what it is told to and remembers what it was asked."""

import json
from dataclasses import dataclass, field
from typing import Any

CREDENTIAL = "kms_01kafp2c0000000000000000ab_secret"
YES: dict[str, Any] = {
    "valid": True,
    "code": "ok",
    "message": "The key is good for this call.",
    "key_id": "key_01kafp2c0000000000000000ab",
    "owner": "svc:checkout",
    "service": "payments",
    "environment": "eu-prod",
    "scopes": ["charges:read", "refunds:write"],
    "expires_at": "2026-12-22T10:00:00Z",
    "limits": [{"name": "burst", "limit": 100, "remaining": 50, "resets_in": 30}],
    "retry_after": None,
    "policy": {"digest": "0f1e", "rule": "payments-readers"},
    "request_id": "req_1",
}
NOTHING_TOLD = dict.fromkeys(("key_id", "owner", "service", "environment", "scopes", "expires_at", "policy"))


@dataclass
class Stub:
    """The server's side of a test: what it answers next, and what reached it."""

    url: str = ""
    status: int = 200
    answer: bytes = json.dumps(YES).encode()
    headers: dict[str, str] = field(default_factory=dict)
    delay_seconds: float = 0
    asked: list[dict[str, Any]] = field(default_factory=list)

    def says(self, **members: object) -> None:
        self.answer = json.dumps({**YES, **members}).encode()

    def refuses(self, code: str, **members: object) -> None:
        told: dict[str, object] = {
            "valid": False,
            "code": code,
            "message": f"No: {code}.",
            "limits": [],
            **NOTHING_TOLD,
        }
        self.answer = json.dumps({**told, "retry_after": None, **members}).encode()
