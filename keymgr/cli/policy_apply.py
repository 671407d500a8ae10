"""`keymgr policy apply`: put a policy folder in force, only forward, and write every attempt down."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import click

from keymgr.cli.database import LockTaken, Unavailable, transaction
from keymgr.cli.operator import operator
from keymgr.cli.policy import format_option
from keymgr.cli.policy_applied import Ending, NotFromHere, ending_of, say_ending
from keymgr.cli.policy_attempt import finish, start
from keymgr.cli.policy_report import say_json
from keymgr.cli.policy_stored import in_every_format, wait_option
from keymgr.config import Settings, load
from keymgr.reconcile.apply import WAIT_SECONDS, Applied, ApplyOutcome, Expectation, Invalid, apply_policy
from keymgr.reconcile.origin import NoOrigin, Origin, find_origin
from keymgr.reconcile.signatures import NotSigned, Signers, verify_commit
from keymgr.reconcile.status import Health, health_of
from keymgr.store.outbox import outstanding

_LABEL_LENGTH = 64


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked of one apply. `in_any_order` is for the demo, whose folder may be at any branch."""

    folder: str
    revision: str | None = None
    expect: Expectation = Expectation()  # noqa: RUF009 - a frozen value without parts of its own.
    allow_dirty: bool = False
    signers: Signers | None = None
    wait_seconds: float = WAIT_SECONDS
    in_any_order: bool = False


def _label(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    """Refuse what is no label, above all the empty text of a variable that was not set."""
    if value is not None and (not value.isprintable() or not value or " " in value or value.startswith("-")):
        raise click.BadParameter("name a commit; this is empty or not one word.")
    if value is not None and len(value) > _LABEL_LENGTH:
        raise click.BadParameter(f"a commit's name has at most {_LABEL_LENGTH} characters.")
    return value


_OPTIONS = (
    click.argument("folder", metavar="[DIR]", required=False),
    click.option(
        "--revision", metavar="SHA", callback=_label, help="The commit to apply; what is checked out, if left out."
    ),
    click.option("--expect-base", metavar="DIGEST", help="Refuse when another policy than this is in force."),
    click.option("--expect-digest", metavar="DIGEST", help="Refuse when DIR is another policy than this."),
    click.option(
        "--history-rewritten", is_flag=True, help="The applied commit is gone on purpose; needs --expect-base."
    ),
    click.option("--allow-dirty", is_flag=True, help="Apply changes that no commit holds; the revision says so."),
    click.option(
        "--verify-signature",
        type=click.Choice(["none", "head"]),
        default="none",
        show_default=True,
        help="Whether the commit must be signed by a trusted signer.",
    ),
    click.option(
        "--allowed-signers",
        "ssh_file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Trusted SSH keys, in the form of ssh-keygen's ALLOWED SIGNERS.",
    ),
    click.option(
        "--gpg-home",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        help="A GnuPG folder whose keys are all trusted.",
    ),
    wait_option,
    format_option,
)


def _with_options(command: Callable[..., int]) -> Callable[..., int]:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.command()
@_with_options
@in_every_format("apply")
def apply(
    *,
    folder: str | None,
    revision: str | None,
    expect_base: str | None,
    expect_digest: str | None,
    history_rewritten: bool,
    allow_dirty: bool,
    verify_signature: str,
    ssh_file: Path | None,
    gpg_home: Path | None,
    wait_seconds: float,
    form: str,
) -> int:
    """Put the policy in DIR in force, in one transaction; without DIR the folder of KEYMGR_POLICIES.

    Whatever goes wrong, the policy in force stays. The exit code is 3 for an invalid policy, 4 for failing tests, 5
    when a guard stands in the way, 6 when another apply is running, 7 when this does not come after what is in force,
    and 8 when it is in force and effects on keys are failing.
    """
    if history_rewritten and expect_base is None:
        raise click.UsageError("--history-rewritten needs --expect-base, so that you name what you replace.")
    if verify_signature == "head" and ssh_file is None and gpg_home is None:
        raise click.UsageError("--verify-signature head needs --allowed-signers or --gpg-home: whom to trust.")
    settings = load()
    order = Order(
        folder=str(settings.policies) if folder is None else folder,
        revision=revision,
        expect=Expectation(expect_base, expect_digest, history_rewritten=history_rewritten),
        allow_dirty=allow_dirty,
        signers=Signers(ssh_file, gpg_home) if verify_signature == "head" else None,
        wait_seconds=wait_seconds,
    )
    return carry_out(settings, order, form)


def carry_out(settings: Settings, order: Order, form: str) -> int:
    """Apply, write the attempt down whatever comes of it, and say it."""
    origin = find_origin(order.folder, revision=order.revision, allow_dirty=order.allow_dirty)
    label = origin.label if isinstance(origin, Origin) else order.revision
    attempt = start(settings, label, patience=order.wait_seconds)
    try:
        outcome = _outcome(settings, order, origin)
    except Unavailable as error:
        if isinstance(error, LockTaken):
            finish(settings, attempt, Ending(error.exit_code, error.message), digest=None)
        if form == "json":
            return say_json("apply", exit_code=error.exit_code, message=error.message, problems=[])
        raise
    ending = ending_of(outcome, health=_health(settings) if isinstance(outcome, Applied) else Health.HEALTHY)
    finish(settings, attempt, ending, digest=outcome.digest if isinstance(outcome, Applied) else None)
    return say_ending(outcome, ending, order.folder, form)


def _outcome(settings: Settings, order: Order, origin: Origin | NoOrigin) -> ApplyOutcome | NotFromHere:
    if isinstance(origin, NoOrigin):
        return NotFromHere(origin.sentence)
    if isinstance(origin.files, tuple):
        return Invalid(origin.files)
    signer = _signer(order, origin)
    if isinstance(signer, NotSigned):
        return NotFromHere(signer.sentence)
    expect = order.expect if order.in_any_order else replace(order.expect, descends=origin.descends)
    with transaction(settings) as session:
        return apply_policy(
            session,
            origin.files,
            revision=origin.label,
            ref=origin.ref,
            author=origin.author,
            signer=signer,
            applied_by=operator().id,
            now=datetime.now(UTC),
            expect=expect,
            wait_seconds=order.wait_seconds,
        )


def _signer(order: Order, origin: Origin) -> str | NotSigned | None:
    """Return who signed what is applied, where that was asked for."""
    if order.signers is None:
        return None
    if origin.sha is None:
        return NotSigned("Only a commit can carry a signature, and these files are not read from one.")
    found = verify_commit(order.folder, origin.sha, order.signers)
    return found if isinstance(found, NotSigned) else found.signer


def _health(settings: Settings) -> Health:
    """Return how the effects of what is in force stand, once it is."""
    with transaction(settings) as session:
        session.connection(execution_options={"read_only": True})
        return health_of(outstanding(session, datetime.now(UTC)))
