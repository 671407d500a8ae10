"""Machines that own keys: each belongs to a team of the policy, whose members answer for it."""

import secrets
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from keymgr.people.enrol import NotAdded
from keymgr.people.names import normalise
from keymgr.people.trail import tell
from keymgr.people.whois import SERVICE_ACCOUNT_PREFIX
from keymgr.store.audit import Actor
from keymgr.store.changes import ChangeKind, announce
from keymgr.store.people import PersonState, ServiceAccount
from keymgr.tokens.identifiers import new_id


def add_service_account(
    session: Session, name: str, team: str, *, actor: Actor, now: datetime, sample: bool = False
) -> ServiceAccount | NotAdded:
    """Add a service account of a team. Raises `BadName`; a taken name is an answer."""
    spelling = normalise(name)
    if session.scalar(select(ServiceAccount.id).where(ServiceAccount.name == spelling)) is not None:
        return NotAdded(f"There is already a service account {spelling}. Choose another name.")
    account_id = new_id("sva", now, secrets.token_bytes(10))
    account = ServiceAccount(id=account_id, name=spelling, team=team, created_at=now, sample=sample)
    session.add(account)
    about = ("service_account", spelling)
    tell(session, actor, now, "service_account.added", about=about, detail={"team": team, "sample": sample})
    return account


def set_service_account_state(
    session: Session, account: ServiceAccount, state: PersonState, *, actor: Actor, now: datetime, reason: str = ""
) -> None:
    """Change whether a service account may act; its keys stop or work again from the commit on."""
    if account.state == state:
        return
    detail = {"from": account.state, "to": state, "reason": reason}
    account.state = state
    tell(session, actor, now, "service_account.state_set", about=("service_account", account.name), detail=detail)
    announce(session, ChangeKind.OWNER, SERVICE_ACCOUNT_PREFIX + account.name, now)
