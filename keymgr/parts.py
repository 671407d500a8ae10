"""From settings to the parts that server, commands and clock are made of; only they may import this module."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from limits.strategies import FixedWindowRateLimiter, RateLimiter
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from keymgr.config import Settings
from keymgr.keys.flush import UsageBuffer
from keymgr.keys.issuer import Issuer
from keymgr.keys.known import know, know_signing_keys
from keymgr.keys.limiting import Limiter
from keymgr.keys.signatures import Signatures
from keymgr.keys.usage import Calls, record_batch
from keymgr.keys.verify import KeyStates, Verifier
from keymgr.people.throttle import Throttle
from keymgr.policy.model import TokenForm
from keymgr.reconcile.forge import ForgeKind, Hook
from keymgr.reconcile.git_fetch import Source
from keymgr.reconcile.signatures import Signers
from keymgr.store.audit import AuditLevel
from keymgr.store.counters import SharedCounters, counters_url
from keymgr.store.key_states import SqliteKeyStates
from keymgr.store.key_states_postgresql import PostgresqlKeyStates
from keymgr.tokens.signing import Algorithm
from keymgr.tokens.vault import Vault


def make_issuer(settings: Settings) -> Issuer:
    """Make what issues keys: the settings' words become the core's types here and nowhere else."""
    return Issuer(
        url=settings.public_url,
        algorithm=Algorithm(settings.signing_algorithm),
        token_form=TokenForm(settings.token_form),
        secret_bytes=settings.secret_bytes,
        bound=settings.secret_check == "bound",  # noqa: S105 - a mode of checking, no secret.
        enabled=settings.issuing_enabled,
        pepper=settings.pepper,
        vault=_vault(settings),
        audit_level=AuditLevel(settings.audit_level),
        status_uri=f"{settings.public_url}/status-lists/1",
    )


def make_throttle(settings: Settings) -> Throttle:
    """Make what counts sign-in attempts, exact over all processes of this node."""
    return Throttle(FixedWindowRateLimiter(_counters(settings)))


def make_limiter(settings: Settings) -> RateLimiter:
    """Make what counts the calls of jobs and forges, exact over all processes of this node."""
    return FixedWindowRateLimiter(_counters(settings))


def make_hook(settings: Settings) -> Hook | None:
    """Make what believes the forge, None when it may not call."""
    if settings.forge_kind is None or settings.forge_webhook_secret is None:
        return None
    return Hook(ForgeKind(settings.forge_kind), settings.forge_webhook_secret)


def make_source(settings: Settings) -> Source | None:
    """Make what the clock fetches policy from, None when a deploy applies it."""
    if settings.policy_pull_url is None:
        return None
    ssh_file, gpg_home = (
        None if path == Path() else path for path in (settings.policy_pull_signers, settings.policy_pull_gpg_home)
    )
    return Source(
        url=settings.policy_pull_url,
        branch=settings.policy_pull_ref,
        folder=settings.policy_pull_path,
        cache=settings.policy_pull_cache.absolute(),
        signers=Signers(ssh_file, gpg_home) if ssh_file or gpg_home else None,
    )


def make_verifier(settings: Settings, engine: Engine) -> Verifier:
    """Make what judges presented keys; make it after a fork, with an engine of the same process."""
    return Verifier(
        states=_key_states(settings, engine),
        limiter=Limiter(_counters(settings)),
        signatures=Signatures(
            issuer=settings.public_url, pepper=settings.pepper, leeway_seconds=settings.clock_leeway_seconds
        ),
        usage=UsageBuffer(partial(_write_usage, engine)),
        bound=settings.secret_check == "bound",  # noqa: S105 - a mode of checking, no secret.
    )


def _vault(settings: Settings) -> Vault:
    return Vault(dict(settings.kek), settings.kek[0][0])


def _counters(settings: Settings) -> SharedCounters:
    return SharedCounters(counters_url(settings.counters))


def _key_states(settings: Settings, engine: Engine) -> KeyStates:
    read_signing_keys = partial(know_signing_keys, vault=_vault(settings))
    if engine.dialect.name == "postgresql":
        return PostgresqlKeyStates(engine, read_credential=know, read_signing_keys=read_signing_keys)
    path = Path(str(engine.url.database))
    return SqliteKeyStates(path, read_credential=know, read_signing_keys=read_signing_keys)


def _write_usage(engine: Engine, calls: Sequence[Calls]) -> None:
    with Session(engine) as session, session.begin():
        record_batch(session, calls)
