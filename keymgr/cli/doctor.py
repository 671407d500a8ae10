"""`keymgr doctor`: look at everything an operator can get wrong, and say how to mend it."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import click
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from keymgr.cli.database import missing, transaction
from keymgr.cli.doctor_files import look_at_disk, look_at_permissions, look_at_proxies, look_at_pull
from keymgr.cli.finding import Finding, Level
from keymgr.config import BadSettings, Settings, load
from keymgr.keys.signing_keys import load_keyring
from keymgr.parts import make_issuer
from keymgr.people.first_admin import is_set_up
from keymgr.reconcile.live import in_force
from keymgr.store.audit import AuditEvent
from keymgr.store.leases import Lease
from keymgr.tokens.vault import VaultError

_COLOURS = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "red"}
_MAY_BE_AHEAD = timedelta(seconds=5)


@click.command()
def doctor() -> int:
    """Check settings, clock, database, policy, keys, permissions and proxies; exit code 1 when something fails."""
    findings = []
    for finding in examine():
        click.echo(
            f"{click.style(f'{finding.level:<5}', fg=_COLOURS[finding.level])} {finding.about:<12} {finding.sentence}"
        )
        findings.append(finding)
    failed = sum(finding.level is Level.FAIL for finding in findings)
    warned = sum(finding.level is Level.WARN for finding in findings)
    click.echo(f"{failed} to mend, {warned} to think about, {len(findings) - failed - warned} good.")
    return 1 if failed else 0


def examine() -> Iterator[Finding]:
    """Yield one finding after the other; what depends on something that failed is left out."""
    try:
        settings = load()
    except BadSettings as error:
        yield from (Finding(Level.FAIL, "settings", problem) for problem in error.problems)
        return
    yield Finding(Level.OK, "settings", f"All can be read; the portal is at {settings.public_url}.")
    if settings.demo:
        yield Finding(
            Level.WARN, "demo", "Demo mode is on: its passwords are known to everybody. Never use it for real keys."
        )
    yield from look_at_permissions(settings, os.environ)
    yield from look_at_disk(settings)
    yield from look_at_proxies(settings)
    yield from look_at_pull(settings)
    yield from _look_at_database(settings)


def _look_at_database(settings: Settings) -> Iterator[Finding]:
    """Check that it answers and is up to date, then what is in it."""
    try:
        todo = missing(settings)
    except click.ClickException as error:
        yield Finding(Level.FAIL, "database", error.message)
        return
    if todo:
        yield Finding(Level.FAIL, "database", f"{len(todo)} migrations are missing. Run: keymgr database upgrade")
        return
    yield Finding(Level.OK, "database", "It answers and is up to date.")
    now = datetime.now(UTC)
    with transaction(settings) as session:
        yield _clock(session, now)
        yield _clocks_door(session, now)
        yield _policy(session)
        yield _signing_keys(session, settings)
        yield _way_in(session, settings)


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


def _clocks_door(session: Session, now: datetime) -> Finding:
    until = session.scalar(select(Lease.until).where(Lease.name == "clock"))
    if until is None or until < now:
        return Finding(Level.WARN, "worker", "None is running, so nothing lapses or retires. `keymgr serve` runs one.")
    return Finding(Level.OK, "worker", "One is running.")


def _policy(session: Session) -> Finding:
    policy = in_force(session)
    if policy is None:
        return Finding(Level.WARN, "policy", "None is in force, so nothing is issued. Run: keymgr policy apply")
    commit = f", commit {policy.commit[:12]}" if policy.commit else ""
    return Finding(Level.OK, "policy", f"Revision {policy.revision}{commit} is in force.")


def _signing_keys(session: Session, settings: Settings) -> Finding:
    try:
        keyring = load_keyring(session, make_issuer(settings))
    except VaultError as error:
        return Finding(Level.FAIL, "signing keys", f"{error} They are opened with KEYMGR_KEK.")
    if keyring is None:
        return Finding(Level.WARN, "signing keys", "There is none yet; `keymgr serve` makes the first one.")
    return Finding(Level.OK, "signing keys", f"{keyring.active.kid} signs; {len(keyring.verifying)} verify.")


def _way_in(session: Session, settings: Settings) -> Finding:
    if is_set_up(session) or settings.demo:
        return Finding(Level.OK, "people", "Somebody can sign in.")
    return Finding(
        Level.WARN, "people", "Nobody can sign in yet; `keymgr serve` logs a one-time code for the first admin."
    )
