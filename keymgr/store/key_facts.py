"""What verification needs to know of a credential, a signing key or a caller, and the statements that read it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from keymgr.store.keys import CredentialState, KeyState
from keymgr.store.people import PersonState

# A credential's own form: a rotation may change the key's, and the old secret stays what it was.
# Spelt so that sqlite3 and SQLAlchemy's text() both take them; the owner's name is cut out so that its index is used.
CREDENTIAL = """
select c.id, c.state, c.secret_digest, c.expires_at, c.retires_at,
       k.id, k.owner, k.service, k.environment, k.scopes, k.cidrs, k.terms,
       case when c.signing_kid is null then 'opaque' else 'jwt' end, k.state, k.expires_at,
       k.rule, r.digest, coalesce(p.state, a.state)
from credential c
join api_key k on k.id = c.key_id
join policy_revision r on r.id = k.revision_id
left join person p on k.owner like 'user:%' and p.name = substr(k.owner, 6)
left join service_account a on k.owner like 'svc:%' and a.name = substr(k.owner, 5)
where c.id = :id
"""
CALLER = "select id, service, secret_digest, revoked_at from service_credential where id = :id"
SIGNING_KEYS = "select kid, algorithm, public_jwk, sealed, kek_id from signing_key where state <> 'retired'"

_MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class CredentialFacts:
    """One credential with its key and its owner's state, as stored; times in whole seconds since 1970, rounded down."""

    credential_id: str
    state: CredentialState
    secret_digest: bytes = field(repr=False)
    expires_at: int
    retires_at: int | None
    key_id: str
    owner: str
    service: str
    environment: str
    scopes: tuple[str, ...]
    cidrs: tuple[str, ...]
    terms: Mapping[str, Any]
    token_form: str
    key_state: KeyState
    key_expires_at: int
    rule: str
    policy_digest: str
    owner_state: PersonState | None


@dataclass(frozen=True, slots=True)
class SigningKeyFacts:
    """One signing key that still verifies; `public_jwk` is None where only the sealed secret can verify."""

    kid: str
    algorithm: str
    public_jwk: Mapping[str, Any] | None
    sealed: bytes = field(repr=False)
    kek_id: str


@dataclass(frozen=True, slots=True)
class CallerFacts:
    """One service credential and the service it speaks for."""

    credential_id: str
    service: str
    secret_digest: bytes = field(repr=False)
    revoked: bool


def credential_facts(row: Sequence[Any]) -> CredentialFacts:
    """Read a row of `CREDENTIAL`; raises ValueError or TypeError where it is not what we write."""
    return CredentialFacts(
        credential_id=row[0],
        state=CredentialState(row[1]),
        secret_digest=bytes(row[2]),
        expires_at=int(row[3]) // _MICROSECONDS,
        retires_at=None if row[4] is None else int(row[4]) // _MICROSECONDS,
        key_id=row[5],
        owner=row[6],
        service=row[7],
        environment=row[8],
        scopes=tuple(_json(row[9])),
        cidrs=tuple(_json(row[10])),
        terms=_json(row[11]),
        token_form=row[12],
        key_state=KeyState(row[13]),
        key_expires_at=int(row[14]) // _MICROSECONDS,
        rule=row[15],
        policy_digest=row[16],
        owner_state=None if row[17] is None else PersonState(row[17]),
    )


def signing_key_facts(row: Sequence[Any]) -> SigningKeyFacts:
    """Read a row of `SIGNING_KEYS`."""
    return SigningKeyFacts(row[0], row[1], _json(row[2]), bytes(row[3]), row[4])


def caller_facts(row: Sequence[Any]) -> CallerFacts:
    """Read a row of `CALLER`."""
    return CallerFacts(row[0], row[1], bytes(row[2]), revoked=row[3] is not None)


def _json(value: Any) -> Any:  # noqa: ANN401 - a JSON column: PostgreSQL's driver has read it already, SQLite's has not.
    return json.loads(value) if isinstance(value, str) else value
