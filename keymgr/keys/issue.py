"""Issue a key that policy has granted: the key, its first credential, its token and the audit event, together."""

from datetime import timedelta

from sqlalchemy.orm import Session

from keymgr.keys.case import Case
from keymgr.keys.issuer import Issuer
from keymgr.keys.mint import Minted, fresh_id, mint_credential, whole_seconds
from keymgr.keys.outcomes import Issued
from keymgr.keys.terms import evidence_record, terms_record
from keymgr.keys.trail import Event, tell
from keymgr.policy.decision import Allowed, NeedsApproval
from keymgr.store.changes import ChangeKind, announce
from keymgr.store.keys import Key


def issue(session: Session, case: Case, decision: Allowed | NeedsApproval, *, name: str) -> Issued:
    """Write what was granted. The caller has decided, under the policy lock, and commits before showing the token."""
    key = _key(case, decision, name)
    session.add(key)
    session.flush()
    policy = case.in_force.policy
    minted = mint_credential(session, key, generation=1, policy=policy, issuer=case.issuer, now=case.now)
    detail = {
        "name": key.name,
        "owner": key.owner,
        "credential": minted.credential.id,
        "rule": key.rule,
        "source": key.rule_source,
        "revision": key.revision_id,
    }
    event = Event("key.issued", "key", key.id, detail, case.whole)
    tell(session, case.issuer.audit_level, case.actor, case.now, event)
    announce(session, ChangeKind.KEY, key.id, case.now)
    return issued(key, minted, decision)


def token_form(decision: Allowed | NeedsApproval, issuer: Issuer) -> str:
    """Say in which form the key is presented: as the rule says, else as the deployment does."""
    return (decision.terms.limits.token or issuer.token_form).value


def issued(key: Key, minted: Minted, decision: Allowed | NeedsApproval) -> Issued:
    """Put together what is shown once."""
    return Issued(
        key_id=key.id,
        credential_id=minted.credential.id,
        token=minted.token,
        name=key.name,
        owner=key.owner,
        service=key.service,
        environment=key.environment,
        scopes=tuple(key.scopes),
        cidrs=tuple(key.cidrs),
        expires_at=key.expires_at,
        token_expires_at=minted.credential.expires_at,
        rotate_by=minted.credential.rotate_by,
        decision=decision,
    )


def _key(case: Case, decision: Allowed | NeedsApproval, name: str) -> Key:
    wish, terms = case.wish, decision.terms
    return Key(
        id=fresh_id("key", case.now),
        name=name,
        owner=case.asker.id,
        service=wish.service,
        environment=wish.environment,
        scopes=sorted(wish.scopes),
        cidrs=[str(network) for network in terms.cidrs],
        terms=terms_record(terms),
        token_form=token_form(decision, case.issuer),
        created_at=case.now,
        created_by=case.actor.id,
        expires_at=whole_seconds(case.now) + timedelta(seconds=terms.ttl_seconds),
        rule=decision.rule.name,
        rule_source=str(decision.rule.source),
        revision_id=case.in_force.revision,
        evidence=evidence_record(case.evidence),
    )
