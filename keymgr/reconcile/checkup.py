"""What can be seen of an installation's health in its database: for `keymgr doctor` and for the admins' first page."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from keymgr.keys.issuer import Issuer
from keymgr.keys.signing_keys import load_keyring
from keymgr.people.first_admin import is_set_up
from keymgr.policy.wording import count
from keymgr.reconcile.finding import Finding, Level
from keymgr.reconcile.live import in_force
from keymgr.reconcile.status import last_attempt
from keymgr.store.audit import AuditEvent
from keymgr.store.keys import SigningKey, SigningKeyState
from keymgr.store.leases import Lease
from keymgr.store.migrate import stands_at
from keymgr.store.outbox import outstanding
from keymgr.tokens.vault import VaultError

CLOCKS_LEASE = "clock"
_MAY_BE_AHEAD = timedelta(seconds=5)
_OLD_SIGNING_KEY = timedelta(days=180)
_PUT_IN_FORCE = frozenset({0, 8})
_KINDS = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


def look_at_store(session: Session, issuer: Issuer, now: datetime, *, demo: bool) -> Iterator[Finding]:
    """Yield one finding after the other; the database answers and is up to date."""
    yield _clock(session, now)
    yield _worker(session, now)
    yield _policy(session)
    yield from _last_run(session)
    yield _effects(session, now)
    yield _signing_keys(session, issuer, now)
    yield _way_in(session, demo=demo)


def look_at_database(session: Session) -> Finding:
    """Say which database it is and whether its tables are those of this version."""
    at, newest = stands_at(session.connection())
    kind = _KINDS[session.get_bind().dialect.name]
    if at != newest:
        sentence = (
            f"{kind} stands at migration {at or 'none'}, this version at {newest}. Run: `keymgr database upgrade`"
        )
        return Finding(Level.FAIL, "database", sentence)
    return Finding(Level.OK, "database", f"{kind} answers and is up to date (migration {newest}).")


def _clock(session: Session, now: datetime) -> Finding:
    latest = session.scalar(select(func.max(AuditEvent.at)))
    if latest is not None and latest > now + _MAY_BE_AHEAD:
        mend = "Set the clock right (NTP) before you issue anything."
        return Finding(
            Level.FAIL,
            "clock",
            f"It says {now:%Y-%m-%d %H:%M:%S} UTC, but events of {latest:%Y-%m-%d %H:%M:%S} are stored. {mend}",
        )
    return Finding(Level.OK, "clock", f"It says {now:%Y-%m-%d %H:%M:%S} UTC; compare with another clock.")


def _worker(session: Session, now: datetime) -> Finding:
    lease = session.execute(select(Lease.holder, Lease.until).where(Lease.name == CLOCKS_LEASE)).one_or_none()
    if lease is None or lease.until < now:
        return Finding(Level.WARN, "worker", "None is running, so nothing lapses or retires. `keymgr serve` runs one.")
    return Finding(
        Level.OK, "worker", f"One is running: {lease.holder}, with the lease until {lease.until:%H:%M:%S} UTC."
    )


def _policy(session: Session) -> Finding:
    policy = in_force(session)
    if policy is None:
        return Finding(Level.WARN, "policy", "None is in force, so nothing is issued. Run `keymgr policy apply`.")
    commit = f", commit {policy.commit[:12]}" if policy.commit else ""
    return Finding(Level.OK, "policy", f"Revision {policy.revision}{commit} is in force.")


def _last_run(session: Session) -> Iterator[Finding]:
    """Say how the last attempt to apply a policy ended, once there was one."""
    attempt = last_attempt(session)
    if attempt is None:
        return
    began = f"{attempt.started_at:%Y-%m-%d %H:%M} UTC"
    if attempt.result_code is None:
        sentence = f"The one of {began} has not ended: it is under way, or it was killed. Run: `keymgr policy status`"
        yield Finding(Level.WARN, "last run", sentence)
    elif attempt.result_code in _PUT_IN_FORCE:
        yield Finding(Level.OK, "last run", f"The policy was applied on {began}.")
    else:
        why = attempt.message.partition("\n")[0]
        sentence = f"The one of {began} put nothing in force: {why} Mend it and run: `keymgr policy apply`"
        yield Finding(Level.WARN, "last run", sentence)


def _effects(session: Session, now: datetime) -> Finding:
    left = outstanding(session, now)
    if left.failing:
        sentence = (
            f"{count(left.failing, 'effect')} on keys failed and will be tried again. Run: `keymgr policy status`"
        )
        return Finding(Level.WARN, "effects", sentence)
    scheduled = f"; {left.scheduled} for later" if left.scheduled else ""
    return Finding(Level.OK, "effects", f"{count(left.waiting, 'effect')} on keys to do now{scheduled}.")


def _signing_keys(session: Session, issuer: Issuer, now: datetime) -> Finding:
    try:
        keyring = load_keyring(session, issuer)
    except VaultError as error:
        return Finding(Level.FAIL, "signing keys", f"{error} They are opened with KEYMGR_KEK.")
    if keyring is None:
        return Finding(Level.WARN, "signing keys", "There is none yet; `keymgr serve` makes the first one.")
    since = session.scalar(select(SigningKey.activated_at).where(SigningKey.state == SigningKeyState.ACTIVE))
    days = 0 if since is None else (now - since).days
    if days >= _OLD_SIGNING_KEY.days:
        sentence = f"{keyring.active.kid} has signed for {days} days. Let the next one sign: `keymgr signing-key roll`"
        return Finding(Level.WARN, "signing keys", sentence)
    signs = f"{keyring.active.kid} has signed for {count(days, 'day')}"
    return Finding(Level.OK, "signing keys", f"{signs}; {len(keyring.verifying)} verify.")


def _way_in(session: Session, *, demo: bool) -> Finding:
    if is_set_up(session) or demo:
        return Finding(Level.OK, "people", "Somebody can sign in.")
    return Finding(
        Level.WARN, "people", "Nobody can sign in yet; `keymgr serve` logs a one-time code for the first admin."
    )
