"""Remembers what was decided and from what, so that another policy can be asked the same questions."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from keymgr.keys.case import Case
from keymgr.keys.terms import evidence_of, evidence_record
from keymgr.policy.decision import Decision, Denied
from keymgr.policy.model import Asker, OwnerKind, Wish
from keymgr.policy.replay import PastCase, PastOutcome, outcome_of
from keymgr.store.base import EPOCH
from keymgr.store.standing import PastDecision


def remember(session: Session, case: Case, decision: Decision) -> None:
    """Write down a decision with who asked for what and on what evidence; nothing of it is secret."""
    rule = None if isinstance(decision, Denied) else decision.rule.name
    row = PastDecision(
        at=case.now,
        asker=_asker_record(case.asker),
        wish=_wish_record(case.wish),
        evidence=evidence_record(case.evidence),
        outcome=outcome_of(decision).value,
        rule=rule,
        revision_id=case.in_force.revision,
    )
    session.add(row)
    session.flush()


def past_case(row: PastDecision) -> PastCase:
    """Read a decision back."""
    asker, wish = row.asker, row.wish
    return PastCase(
        asker=Asker(
            asker["id"],
            OwnerKind(asker["kind"]),
            frozenset(asker["teams"]),
            frozenset(asker["roles"]),
            asker["active"],
        ),
        wish=Wish(
            wish["service"],
            wish["environment"],
            frozenset(wish["scopes"]),
            wish["ttl_seconds"],
            tuple(wish["cidrs"]),
        ),
        evidence=evidence_of(row.evidence),
        at=_seconds(row.at),
        outcome=PastOutcome(row.outcome),
        rule=row.rule,
    )


def _asker_record(asker: Asker) -> dict[str, Any]:
    return {
        "id": asker.id,
        "kind": asker.kind.value,
        "teams": sorted(asker.teams),
        "roles": sorted(asker.roles),
        "active": asker.active,
    }


def _wish_record(wish: Wish) -> dict[str, Any]:
    return {
        "service": wish.service,
        "environment": wish.environment,
        "scopes": sorted(wish.scopes),
        "ttl_seconds": wish.ttl_seconds,
        "cidrs": list(wish.cidrs),
    }


def _seconds(moment: datetime) -> int:
    return int((moment - EPOCH).total_seconds())
