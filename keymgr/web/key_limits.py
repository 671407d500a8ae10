"""The limits of a key as the page shows them: how much is used right now, read without counting a call."""

from dataclasses import dataclass

from keymgr.keys.detail import KeyDetail
from keymgr.keys.limiting import WindowState
from keymgr.policy.model import RateLimit
from keymgr.policy.wording import span
from keymgr.web.portal import desk, now
from keymgr.web.wording import rate, thousands

_OWNERS = "owner:"


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit: what it allows, how much of it is used in the window that runs, and that as a sentence."""

    words: str
    used: int
    amount: int
    sentence: str


@dataclass(frozen=True, slots=True)
class Limits:
    """All limits of a key; `unread` says why their use is not known, empty where it is."""

    rows: tuple[Limit, ...]
    unread: str = ""


def limits_of(key: KeyDetail) -> Limits:
    """Read how the limits stand; a key without limits has no rows."""
    states = desk().verifier.limits_of(key.row.credential_id, now())
    if states is None:
        return Limits((), "How much of the limits is used cannot be read at the moment. They hold all the same.")
    return Limits(tuple(_limit(state) for state in states))


def _limit(state: WindowState) -> Limit:
    draw = state.window.draw
    allowed = rate(RateLimit(state.window.name, draw.amount, draw.seconds))
    kind = "Quota: " if state.window.is_quota else ""
    shared = ", by all keys that the owner holds by this rule together" if state.window.name.startswith(_OWNERS) else ""
    return Limit(f"{kind}{allowed}{shared}", draw.amount - state.remaining, draw.amount, _sentence(state))


def _sentence(state: WindowState) -> str:
    """Say what is used; a window begins with the first call after the one before it is over."""
    amount = state.window.draw.amount
    used = amount - state.remaining
    if not used:
        return f"Nothing of {thousands(amount)} is used: the next call begins a new count."
    over = f"starts over in {span(max(1, state.resets_in_seconds))}"
    return f"{thousands(used)} of {thousands(amount)} used; {over}."
