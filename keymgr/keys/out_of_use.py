"""Which credentials are out of use, for the published status list."""

from datetime import datetime

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from keymgr.store.keys import Credential, CredentialState, Key, KeyState
from keymgr.store.people import Person, PersonState, ServiceAccount


def status_indexes_out_of_use(session: Session, now: datetime) -> tuple[int, frozenset[int]]:
    """Return how many places of the list are taken, and those of credentials that no verifier should accept.

    Expiry is left to the tokens' own dates, unless the key's end was brought forward. A suspended key counts while it
    is suspended, as do all keys of an owner who is.
    """
    user = select(Person.state).where("user:" + Person.name == Key.owner).scalar_subquery()
    account = select(ServiceAccount.state).where("svc:" + ServiceAccount.name == Key.owner).scalar_subquery()
    owner_state = func.coalesce(user, account, PersonState.LEFT.value)
    statement = (
        select(Credential.status_index)
        .join(Key, Key.id == Credential.key_id)
        .where(
            or_(
                Credential.state == CredentialState.RETIRED,
                Credential.retires_at <= now,
                and_(Key.expires_at <= now, Key.state_reason.is_not(None)),
                Key.state != KeyState.ACTIVE,
                owner_state != PersonState.ACTIVE.value,
            )
        )
    )
    highest = session.scalar(select(func.max(Credential.status_index)))
    return (0 if highest is None else highest + 1), frozenset(session.scalars(statement))
