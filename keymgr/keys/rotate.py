"""Rotate a key: a new credential under the same id, the old one good a little longer."""

from datetime import datetime, timedelta
from typing import assert_never

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from keymgr.keys.case import Case
from keymgr.keys.formalities import lacking
from keymgr.keys.gate import gate_under_lock
from keymgr.keys.held import with_keys_held
from keymgr.keys.issue import issued, token_form
from keymgr.keys.issuer import Issuer
from keymgr.keys.mint import Minted, mint_credential, whole_seconds
from keymgr.keys.nonce import Submit, once
from keymgr.keys.outcomes import Closed, Issued, NotNow, NotYours, Refused, RotateOutcome
from keymgr.keys.rights import Rights, hold_key
from keymgr.keys.terms import evidence_record, terms_record
from keymgr.keys.trail import Event, tell, tell_refused
from keymgr.policy.decision import Allowed, Denied, NeedsApproval
from keymgr.policy.model import Asker, Evidence, InForce, Wish
from keymgr.store.audit import Actor
from keymgr.store.changes import ChangeKind, announce
from keymgr.store.keys import Credential, CredentialState, Key, KeyState


def rotate(
    session: Session,
    in_force: InForce | None,
    *,
    key_id: str,
    asker: Asker,
    actor: Actor,
    rights: Rights,
    evidence: Evidence,
    overlap_seconds: int | None = None,
    submit: Submit | None,
    issuer: Issuer,
    now: datetime,
) -> RotateOutcome:
    """Replace the secret of a key that belongs to `asker`; being admin does not help, because the secret is shown.

    Judged like a new ask by the policy in force, for the time the key has left; what is granted replaces the key's
    terms, its expiry stays. `overlap_seconds` None takes what the rule allows, 0 ends the old credential at once.
    """

    def work() -> RotateOutcome:
        opened = gate_under_lock(session, in_force, issuer, owner=asker.id)
        if isinstance(opened, Closed):
            return opened
        key = hold_key(session, key_id, rights.owners & {asker.id})
        if key is None:
            return NotYours()
        standing = _standing(key, now)
        if standing is not None:
            return standing
        wish = _wish(key, now)
        counted = with_keys_held(session, evidence, owner=key.owner, wish=wish, now=now, beside=key.id)
        return _judge(session, key, Case(opened, asker, actor, wish, counted, issuer, now), overlap_seconds)

    return once(session, submit, "rotate", now, about=key_id, work=work, made=_made)


def _standing(key: Key, now: datetime) -> NotNow | None:
    """Say why a key's state forbids a rotation, None when it does not."""
    if key.state == KeyState.REVOKED:
        return NotNow(f"The key “{key.name}” is revoked. Ask for a new key instead.")
    if key.state == KeyState.SUSPENDED:
        return NotNow(f"The key “{key.name}” is suspended. Ask an admin to resume it, then rotate it.")
    if key.expires_at <= now:
        return NotNow(f"The key “{key.name}” has expired. Ask for a new key instead.")
    return None


def _wish(key: Key, now: datetime) -> Wish:
    """Wish for what the key has, for the time it has left."""
    return Wish(
        service=key.service,
        environment=key.environment,
        scopes=frozenset(key.scopes),
        ttl_seconds=int((key.expires_at - whole_seconds(now)).total_seconds()),
        cidrs=tuple(key.cidrs),
    )


def _judge(session: Session, key: Key, case: Case, overlap_seconds: int | None) -> Issued | Refused | NotNow:
    decision = case.decide()
    match decision:
        case Allowed():
            lacks = _lacks(decision, case.evidence)
            if lacks:
                return NotNow(f"The policy now asks for more (rule {decision.rule.name}): {lacks} Ask for a new key.")
            longest = decision.terms.limits.rotation_overlap_seconds
            overlap = longest if overlap_seconds is None else overlap_seconds
            if not 0 <= overlap <= longest:
                return NotNow(f"The rule {decision.rule.name} lets the old secret live on for 0 to {longest} seconds.")
            return _rotate(session, key, case, decision, timedelta(seconds=overlap))
        case NeedsApproval():
            return NotNow(
                f"The policy now grants this only after approval (rule {decision.rule.name}). "
                "Ask for a new key; this one works until it expires."
            )
        case Denied():
            reasons = [unmet.reason.value for unmet in decision.reasons]
            event = Event("key.rotated", "key", key.id, {"name": key.name, "reasons": reasons}, case.whole)
            tell_refused(session, case.issuer.audit_level, case.actor, case.now, event)
            return Refused(decision)
        case _:  # pragma: no cover - the type checker proves that nothing is left.
            assert_never(decision)


def _lacks(decision: Allowed, evidence: Evidence) -> str:
    reason, ticket = (str(evidence.facts.get(fact, "")) for fact in ("issuance.reason", "issuance.ticket"))
    return " ".join(lack.sentence for lack in lacking(decision.rule.approval, reason=reason, ticket=ticket))


def _rotate(session: Session, key: Key, case: Case, decision: Allowed, overlap: timedelta) -> Issued:
    old = _step_down(session, key, overlap, case.now)
    _grant_anew(key, case, decision)
    session.flush()
    generation = _last_generation(session, key.id) + 1
    minted = mint_credential(
        session, key, generation=generation, policy=case.in_force.policy, issuer=case.issuer, now=case.now
    )
    tell(session, case.issuer.audit_level, case.actor, case.now, _event(key, case, minted, old))
    announce(session, ChangeKind.KEY, key.id, case.now)
    return issued(key, minted, decision)


def _step_down(session: Session, key: Key, overlap: timedelta, now: datetime) -> Credential:
    """Let the current credential retire, at once where there is no overlap, and one that was retiring before it now."""
    statement = select(Credential).where(Credential.key_id == key.id, Credential.state != CredentialState.RETIRED)
    old: Credential | None = None
    for credential in session.scalars(statement.order_by(Credential.generation).with_for_update()):
        until = min(now + overlap, credential.expires_at)
        if credential.state == CredentialState.CURRENT and until > now:
            credential.state = CredentialState.RETIRING
            credential.retires_at = until
        else:
            credential.state = CredentialState.RETIRED
            credential.retired_at = now
        old = credential
    session.flush()
    assert old is not None  # noqa: S101 - a key has a current credential from its first transaction on.
    return old


def _last_generation(session: Session, key_id: str) -> int:
    """Count credentials that were given up as well: after an undone rotation the newest is not the current one."""
    return session.scalars(select(func.max(Credential.generation)).where(Credential.key_id == key_id)).one()


def _grant_anew(key: Key, case: Case, decision: Allowed) -> None:
    key.terms = terms_record(decision.terms)
    key.token_form = token_form(decision, case.issuer)
    key.rule = decision.rule.name
    key.rule_source = str(decision.rule.source)
    key.revision_id = case.in_force.revision
    key.evidence = evidence_record(case.evidence)


def _event(key: Key, case: Case, minted: Minted, old: Credential) -> Event:
    detail = {
        "name": key.name,
        "owner": key.owner,
        "credential": minted.credential.id,
        "replaces": old.id,
        "old_good_until": None if old.retires_at is None else old.retires_at.isoformat(),
        "rule": key.rule,
        "source": key.rule_source,
        "revision": key.revision_id,
    }
    return Event("key.rotated", "key", key.id, detail, case.whole)


def _made(outcome: RotateOutcome) -> str | None:
    return outcome.key_id if isinstance(outcome, Issued) else None
