"""Tables of keys: the durable key, its credentials, requests that wait, signing keys, usage and form nonces."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from keymgr.store.base import Record
from keymgr.store.people import Person
from keymgr.store.policies import PolicyRevision


class KeyState(StrEnum):
    """What was decided about a key. Expiry is not a state: it follows from `expires_at`."""

    ACTIVE = "active"
    REVOKED = "revoked"
    SUSPENDED = "suspended"


class CredentialState(StrEnum):
    """Where one generation of a secret stands; a retiring one is good until `retires_at`."""

    CURRENT = "current"
    RETIRED = "retired"
    RETIRING = "retiring"


class RequestState(StrEnum):
    """Where a wish that needs approval stands."""

    APPROVED = "approved"
    CLAIMED = "claimed"
    LAPSED = "lapsed"
    REFUSED = "refused"
    WAITING = "waiting"
    WITHDRAWN = "withdrawn"


class SigningKeyState(StrEnum):
    """A signing key's life: published before use, used, still published for old tokens, gone."""

    ACTIVE = "active"
    NEXT = "next"
    RETIRED = "retired"
    RETIRING = "retiring"


class Key(Record):
    """The durable record. `owner` is `user:NAME` or `svc:NAME`; scopes, limits and evidence are as issued.

    `terms` holds what `policy` granted: rate_limits, owner_rate_limits, quota, rotate_every_seconds,
    rotation_overlap_seconds, idle_expiry_seconds. `rule`, `rule_source` and `revision_id` say why it was allowed.
    """

    __tablename__ = "api_key"
    __table_args__ = (
        CheckConstraint("state in ('active', 'suspended', 'revoked')", name="state"),
        CheckConstraint("state <> 'revoked' or revoked_at is not null", name="revoked_has_time"),
        Index("ix_api_key_owner_target", "owner", "service", "environment"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    owner: Mapped[str] = mapped_column(String(80), index=True)
    service: Mapped[str] = mapped_column(String(64), index=True)
    environment: Mapped[str] = mapped_column(String(64))
    scopes: Mapped[list[str]]
    cidrs: Mapped[list[str]]
    terms: Mapped[dict[str, Any]]
    token_form: Mapped[str] = mapped_column(String(8))
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(80))
    expires_at: Mapped[datetime] = mapped_column(index=True)
    rule: Mapped[str] = mapped_column(String(64))
    rule_source: Mapped[str] = mapped_column(String(400))
    revision_id: Mapped[int] = mapped_column(ForeignKey(PolicyRevision.id))
    evidence: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(String(16), default=KeyState.ACTIVE)
    state_reason: Mapped[str | None] = mapped_column(String(200), default=None)
    revoked_at: Mapped[datetime | None] = mapped_column(default=None)
    revoked_by: Mapped[str | None] = mapped_column(String(80), default=None)
    last_used_at: Mapped[datetime | None] = mapped_column(default=None)
    last_used_from: Mapped[str | None] = mapped_column(String(64), default=None)


class Credential(Record):
    """One generation of a key's secret. `id` is the token's `jti`; `secret_digest` is HMAC-SHA256 under the pepper.

    `expires_at` is the token's `exp`: the key's expiry, or earlier where the rule asks for rotation.
    """

    __tablename__ = "credential"
    __table_args__ = (
        CheckConstraint("state in ('current', 'retiring', 'retired')", name="state"),
        CheckConstraint("state <> 'retiring' or retires_at is not null", name="retiring_has_time"),
        UniqueConstraint("key_id", "generation"),
        Index(
            "uq_credential_one_current",
            "key_id",
            unique=True,
            sqlite_where=text("state = 'current'"),
            postgresql_where=text("state = 'current'"),
        ),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    key_id: Mapped[str] = mapped_column(ForeignKey("api_key.id"), index=True)
    generation: Mapped[int]
    secret_digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    status_index: Mapped[int] = mapped_column(unique=True)
    issued_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    signing_kid: Mapped[str | None] = mapped_column(String(64), default=None)
    state: Mapped[str] = mapped_column(String(16), default=CredentialState.CURRENT)
    rotate_by: Mapped[datetime | None] = mapped_column(default=None)
    retires_at: Mapped[datetime | None] = mapped_column(default=None)
    retired_at: Mapped[datetime | None] = mapped_column(default=None)
    first_used_at: Mapped[datetime | None] = mapped_column(default=None)


class KeyRequest(Record):
    """A wish that waits for approval; `wish_digest` binds approvals to exactly this wish.

    `asked` is the wish as it was first sent (`scopes`, `ttl_seconds`, `cidrs`), once an approver or an edit changed it.
    `decided_by` and `decision_reason` tell of the decision that ended the wait; an approved request lapses at
    `claim_until`. `key_id` is the key that the claim made. With `break_glass` a named person granted it alone, in an
    emergency: `reviewed_at` says when somebody else looked at that afterwards.
    """

    __tablename__ = "key_request"
    __table_args__ = (
        CheckConstraint(
            "state in ('waiting', 'approved', 'refused', 'withdrawn', 'lapsed', 'claimed')",
            name="state",
        ),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    requester: Mapped[str] = mapped_column(String(80), index=True)
    owner: Mapped[str] = mapped_column(String(80), index=True)
    service: Mapped[str] = mapped_column(String(64))
    environment: Mapped[str] = mapped_column(String(64))
    scopes: Mapped[list[str]]
    cidrs: Mapped[list[str]]
    ttl_seconds: Mapped[int]
    justification: Mapped[str] = mapped_column(String(2000))
    wish_digest: Mapped[str] = mapped_column(String(64))
    rule: Mapped[str] = mapped_column(String(64))
    rule_source: Mapped[str] = mapped_column(String(400))
    revision_id: Mapped[int] = mapped_column(ForeignKey(PolicyRevision.id))
    evidence: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(String(16), default=RequestState.WAITING, index=True)
    decided_at: Mapped[datetime | None] = mapped_column(default=None)
    decided_by: Mapped[str | None] = mapped_column(String(80), default=None)
    decision_reason: Mapped[str | None] = mapped_column(String(2000), default=None)
    asked: Mapped[dict[str, Any] | None] = mapped_column(default=None)
    claim_until: Mapped[datetime | None] = mapped_column(default=None)
    key_id: Mapped[str | None] = mapped_column(ForeignKey("api_key.id"), default=None)
    nudged_at: Mapped[datetime | None] = mapped_column(default=None)
    break_glass: Mapped[bool] = mapped_column(default=False)
    reviewed_at: Mapped[datetime | None] = mapped_column(default=None)
    reviewed_by: Mapped[str | None] = mapped_column(String(80), default=None)
    review_note: Mapped[str | None] = mapped_column(String(2000), default=None)


class RequestApproval(Record):
    """One person's agreement to one step of a request; it counts while the request's `wish_digest` is this one."""

    __tablename__ = "request_approval"
    __table_args__ = (UniqueConstraint("request_id", "approver", "wish_digest"),)

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    request_id: Mapped[str] = mapped_column(ForeignKey("key_request.id"), index=True)
    step: Mapped[int]
    approver: Mapped[str] = mapped_column(String(80))
    wish_digest: Mapped[str] = mapped_column(String(64))
    revision_id: Mapped[int] = mapped_column(ForeignKey(PolicyRevision.id))
    at: Mapped[datetime]
    note: Mapped[str] = mapped_column(String(2000), default="")


class RequestMessage(Record):
    """One line of the conversation about a request: an approver's question, the requester's answer."""

    __tablename__ = "request_message"

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    request_id: Mapped[str] = mapped_column(ForeignKey("key_request.id"), index=True)
    author: Mapped[str] = mapped_column(String(80))
    at: Mapped[datetime]
    text: Mapped[str] = mapped_column(String(2000))


class SigningKey(Record):
    """A key that signs tokens. `sealed` is the private part under the key-encryption key named by `kek_id`."""

    __tablename__ = "signing_key"
    __table_args__ = (
        CheckConstraint("state in ('next', 'active', 'retiring', 'retired')", name="state"),
        Index(
            "uq_signing_key_one_active",
            "state",
            unique=True,
            sqlite_where=text("state = 'active'"),
            postgresql_where=text("state = 'active'"),
        ),
    )

    kid: Mapped[str] = mapped_column(String(64), primary_key=True)
    algorithm: Mapped[str] = mapped_column(String(8))
    state: Mapped[str] = mapped_column(String(16))
    public_jwk: Mapped[dict[str, Any] | None]
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    kek_id: Mapped[str] = mapped_column(String(64), index=True)
    created_at: Mapped[datetime]
    activated_at: Mapped[datetime | None] = mapped_column(default=None)
    retiring_at: Mapped[datetime | None] = mapped_column(default=None)
    retired_at: Mapped[datetime | None] = mapped_column(default=None)


class ServiceCredential(Record):
    """What a service presents when it asks us to verify; it sees only keys of its own service."""

    __tablename__ = "service_credential"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    service: Mapped[str] = mapped_column(String(64), index=True)
    secret_digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(80))
    revoked_at: Mapped[datetime | None] = mapped_column(default=None)


class FormNonce(Record):
    """A mutating form's one-time number: the second submit finds the row and mints nothing."""

    __tablename__ = "form_nonce"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey(Person.id))
    action: Mapped[str] = mapped_column(String(40))
    object_id: Mapped[str | None] = mapped_column(String(40))
    used_at: Mapped[datetime] = mapped_column(index=True)
