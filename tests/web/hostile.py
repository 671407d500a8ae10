"""A portal in which every free text is an attack: names, reasons, notes, messages, descriptions, the trail."""

from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from keymgr.store.audit import AuditEvent
from keymgr.store.keys import Key, KeyRequest, RequestApproval, RequestMessage
from keymgr.store.people import Person, SignInSession
from keymgr.store.policies import PolicyAttempt, PolicyHead, PolicyOverride, PolicyRevision
from tests.web.house import put_in_force

SHORT = '=1+1"><x-evil onclick=alert(1) hx-get=/keys>evil{{7*7}}\u202egnp\U0001f511\U0001f469\u200d\U0001f680'
LONG = f"{SHORT}\r\nforged <script>alert(1)</script><img src=x onerror=alert(1)>\u2066 {'y' * 400}"
DESCRIPTION = "<x-evil onclick=alert(1) hx-get=/keys>evil{{7*7}} <img src=x onerror=alert(1)>"


def poison(app: Flask, database_url: str) -> None:
    """Write hostile texts wherever somebody's free text is kept."""
    put_in_force(database_url, change=("Balances and postings", DESCRIPTION))
    with Session(app.config["KEYMGR_ENGINE"]) as session, session.begin():
        for row in (Key, KeyRequest):
            session.execute(update(row).values(name=SHORT))
        session.execute(update(Key).where(Key.state_reason.is_not(None)).values(state_reason=SHORT))
        session.execute(update(KeyRequest).values(justification=LONG))
        said = KeyRequest.decision_reason.is_not(None)
        session.execute(update(KeyRequest).where(said).values(decision_reason=LONG))
        session.execute(update(RequestApproval).values(note=LONG))
        session.execute(update(RequestMessage).values(text=LONG))
        session.execute(update(Person).values(display_name=LONG[:200], email=SHORT))
        session.execute(update(SignInSession).values(user_agent=LONG[:300]))
        session.execute(update(PolicyRevision).values(author=SHORT, ref=SHORT, signer=SHORT, applied_by=SHORT))
        session.execute(update(PolicyHead).values(pinned_reason=LONG))
        session.execute(update(PolicyAttempt).values(message=LONG))
        session.execute(update(PolicyOverride).values(reason=LONG))
        for event in session.scalars(select(AuditEvent)):
            event.detail = {name: _hostile(value) for name, value in event.detail.items()}


def _hostile(value: object) -> object:
    """Put the attack where a person's words are; ids, numbers and names of the house stay."""
    is_text = isinstance(value, str) and " " in value
    return LONG if is_text else value
