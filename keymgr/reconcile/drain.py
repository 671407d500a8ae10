"""Empties the outbox: each effect by itself, so that one that fails undoes no other and is tried again later."""

import logging
from dataclasses import dataclass

from sqlalchemy.exc import DBAPIError

from keymgr.keys.flagged import flag_of
from keymgr.keys.trail import CLOCK, Event, tell
from keymgr.reconcile.settle import Clockwork, settle
from keymgr.reconcile.standings import NOTIFY
from keymgr.store.outbox import put_off, take_due
from keymgr.store.standing import Effect

BATCH = 200
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Drained:
    """How many effects were done, and how many failed and are tried again; a full batch has perhaps left some."""

    done: int
    failed: int
    is_full: bool = False


def drain(work: Clockwork, *, most: int = BATCH) -> Drained:
    """Do what is due in the outbox; the caller keeps the policy from changing (`share_policy`) and commits.

    A database that goes away is the caller's to see: what was done in this transaction is undone with it.
    """
    failed = 0
    effects = take_due(work.session, work.now, most)
    for effect in effects:
        try:
            with work.session.begin_nested():
                _perform(work, effect)
        except Exception as error:
            if isinstance(error, DBAPIError) and error.connection_invalidated:
                raise
            failed += 1
            put_off(effect, error, work.now)
            _LOG.warning("Effect %d (%s) failed for the %d. time.", effect.id, effect.kind, effect.tries)
    work.session.flush()
    return Drained(len(effects) - failed, failed, is_full=len(effects) == most)


def _perform(work: Clockwork, effect: Effect) -> None:
    if effect.kind == NOTIFY:
        _notify(work, effect)
        again_at = None
    else:
        again_at = settle(work, effect.payload["key_id"])
    if again_at is None:
        effect.done_at, effect.last_error = work.now, None
    else:
        effect.next_at = again_at
    work.session.flush()


def _notify(work: Clockwork, effect: Effect) -> None:
    """Tell whom the policy names, in the audit trail and the log until there is mail; nobody is told what is over."""
    key_id = effect.payload["key_id"]
    if flag_of(work.session, key_id, work.now) is None:
        return
    tell(work.session, work.level, CLOCK, work.now, Event("key.notified", "key", key_id, dict(effect.payload)))
    _LOG.info("The key %s no longer fits the policy; to tell: %s.", key_id, ", ".join(effect.payload["to"]))
