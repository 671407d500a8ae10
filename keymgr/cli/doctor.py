"""`keymgr doctor`: look at everything an operator can get wrong, and say how to mend it."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime

import click

from keymgr.cli.database import missing, transaction
from keymgr.cli.doctor_files import look_at_disk, look_at_permissions, look_at_proxies, look_at_pull
from keymgr.config import BadSettings, Settings, load
from keymgr.parts import make_issuer
from keymgr.reconcile.checkup import look_at_database, look_at_store
from keymgr.reconcile.finding import Finding, Level

_COLOURS = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "red"}


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
    now = datetime.now(UTC)
    with transaction(settings) as session:
        yield look_at_database(session)
        yield from look_at_store(session, make_issuer(settings), now, demo=settings.demo)
