"""One key with all that is known of it: credentials, why it was and is allowed, its use and its story."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from keymgr.keys.held import with_keys_held
from keymgr.keys.listing import KeyRow, find_row
from keymgr.keys.rights import Rights
from keymgr.keys.terms import evidence_of
from keymgr.keys.usage import Day, calls_per_day
from keymgr.policy.decision import Explanation
from keymgr.policy.existing import LiveKey, Standing, standing_of
from keymgr.policy.explain import explain
from keymgr.policy.model import Asker, InForce, Wish
from keymgr.store.audit import AuditEvent
from keymgr.store.base import EPOCH
from keymgr.store.keys import Credential, CredentialState, Key
from keymgr.store.policies import PolicyRevision

USAGE_DAYS = 30
EVENTS_MAX = 200


@dataclass(frozen=True, slots=True)
class CredentialRow:
    """One generation of the key's secret; a retiring one whose time is over is shown as retired."""

    id: str
    generation: int
    state: CredentialState
    issued_at: datetime
    expires_at: datetime
    rotate_by: datetime | None
    retires_at: datetime | None
    retired_at: datetime | None
    first_used_at: datetime | None
    signing_kid: str | None


@dataclass(frozen=True, slots=True)
class WhyThen:
    """Why the key was granted, as it stood at the last issue or rotation."""

    rule: str
    source: str
    revision: int
    commit: str | None
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class WhyNow:
    """How the policy in force sees the key: as a live key, and as if the same were asked for today."""

    standing: Standing
    explanation: Explanation


@dataclass(frozen=True, slots=True)
class Told:
    """One event of the key's story; `commit` is that of the policy it happened by, where there was one."""

    at: datetime
    actor: str
    action: str
    outcome: str
    detail: Mapping[str, Any]
    address: str | None
    request_id: str | None
    commit: str | None = None


@dataclass(frozen=True, slots=True)
class KeyDetail:
    """Everything the key's page shows. `why_now` is None where no policy is in force or the owner is unknown to it."""

    row: KeyRow
    token_form: str
    cidrs: tuple[str, ...]
    terms: Mapping[str, Any]
    created_by: str
    state_reason: str | None
    revoked_at: datetime | None
    revoked_by: str | None
    credentials: tuple[CredentialRow, ...]
    why_then: WhyThen
    why_now: WhyNow | None
    days: tuple[Day, ...]
    timeline: tuple[Told, ...]


def detail(
    session: Session,
    key_id: str,
    *,
    rights: Rights,
    in_force: InForce | None,
    asker: Asker | None,
    now: datetime,
) -> KeyDetail | None:
    """Read one key; None when there is none or the actor may not know of it. `asker` is the owner as policy sees it."""
    row = find_row(session, key_id, rights.stoppable, now=now)
    key = None if row is None else session.get(Key, key_id, populate_existing=True)
    if row is None or key is None:
        return None
    return KeyDetail(
        row=row,
        token_form=key.token_form,
        cidrs=tuple(key.cidrs),
        terms=key.terms,
        created_by=key.created_by,
        state_reason=key.state_reason,
        revoked_at=key.revoked_at,
        revoked_by=key.revoked_by,
        credentials=_credentials(session, key_id, now),
        why_then=_why_then(session, key),
        why_now=_why_now(session, key, in_force, asker, now),
        days=calls_per_day(session, key_id, days=USAGE_DAYS, now=now),
        timeline=_timeline(session, key_id),
    )


def _credentials(session: Session, key_id: str, now: datetime) -> tuple[CredentialRow, ...]:
    """List the generations, newest first."""
    statement = select(Credential).where(Credential.key_id == key_id).order_by(Credential.generation.desc())
    return tuple(_credential(credential, now) for credential in session.scalars(statement))


def _credential(credential: Credential, now: datetime) -> CredentialRow:
    over = credential.retires_at is not None and credential.retires_at <= now
    return CredentialRow(
        id=credential.id,
        generation=credential.generation,
        state=CredentialState.RETIRED if over else CredentialState(credential.state),
        issued_at=credential.issued_at,
        expires_at=credential.expires_at,
        rotate_by=credential.rotate_by,
        retires_at=credential.retires_at,
        retired_at=credential.retired_at,
        first_used_at=credential.first_used_at,
        signing_kid=credential.signing_kid,
    )


def _why_then(session: Session, key: Key) -> WhyThen:
    commit = session.scalar(select(PolicyRevision.commit).where(PolicyRevision.id == key.revision_id))
    return WhyThen(key.rule, key.rule_source, key.revision_id, commit, key.evidence["facts"])


def _why_now(session: Session, key: Key, in_force: InForce | None, asker: Asker | None, now: datetime) -> WhyNow | None:
    if in_force is None or asker is None:
        return None
    live = _live(key, asker)
    wish = Wish(live.service, live.environment, live.scopes, live.expires_at - live.issued_at, live.cidrs)
    evidence = with_keys_held(session, evidence_of(key.evidence), owner=key.owner, wish=wish, now=now, beside=key.id)
    seconds = _seconds(now)
    return WhyNow(standing_of(in_force.policy, live, seconds), explain(in_force.policy, asker, wish, evidence, seconds))


def _live(key: Key, asker: Asker) -> LiveKey:
    return LiveKey(
        asker=asker,
        service=key.service,
        environment=key.environment,
        scopes=frozenset(key.scopes),
        cidrs=tuple(key.cidrs),
        issued_at=_seconds(key.created_at),
        expires_at=_seconds(key.expires_at),
        facts=evidence_of(key.evidence).facts,
        rule=key.rule,
        last_used_at=None if key.last_used_at is None else _seconds(key.last_used_at),
    )


def _seconds(moment: datetime) -> int:
    return int((moment - EPOCH).total_seconds())


def _timeline(session: Session, key_id: str) -> tuple[Told, ...]:
    """List what the audit trail says of the key, newest first."""
    columns = (AuditEvent.at, AuditEvent.actor, AuditEvent.action, AuditEvent.outcome, AuditEvent.detail)
    of_key = (AuditEvent.object_kind == "key", AuditEvent.object_id == key_id)
    statement = select(*columns, AuditEvent.address, AuditEvent.request_id).where(*of_key)
    told = [Told(*row) for row in session.execute(statement.order_by(AuditEvent.id.desc()).limit(EVENTS_MAX))]
    commits = dict(_commits(session, {each.detail["revision"] for each in told if "revision" in each.detail}))
    return tuple(replace(each, commit=commits.get(each.detail.get("revision", 0))) for each in told)


def _commits(session: Session, revisions: Collection[int]) -> Iterator[tuple[int, str | None]]:
    statement = select(PolicyRevision.id, PolicyRevision.commit).where(PolicyRevision.id.in_(revisions))
    yield from ((number, commit) for number, commit in session.execute(statement))
