"""`keymgr policy unpin`: let what was rolled back in again."""

from datetime import UTC, datetime

import click

from keymgr.cli.database import transaction
from keymgr.cli.operator import operator
from keymgr.cli.policy import format_option
from keymgr.cli.policy_report import say_json
from keymgr.cli.policy_stored import in_every_format, wait_option
from keymgr.config import load
from keymgr.reconcile.rollback import unpin as take_off


@click.command()
@wait_option
@format_option
@in_every_format("unpin")
def unpin(*, wait_seconds: float, form: str) -> int:
    """Let the policy that was rolled back be applied again; nothing else changes."""
    with transaction(load()) as session:
        outcome = take_off(session, actor=operator().id, now=datetime.now(UTC), wait_seconds=wait_seconds)
    if outcome.reason is None:
        message = "Nothing is pinned."
    else:
        message = f"The pin is off ({outcome.reason}). The next apply may bring back what was rolled back."
    if form == "json":
        changed = outcome.reason is not None
        return say_json("unpin", exit_code=0, problems=[], message=message, changed=changed, reason=outcome.reason)
    click.echo(message)
    return 0
