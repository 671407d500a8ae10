"""Where a request stands at a moment, and the words for what that forbids."""

from datetime import datetime

from keymgr.keys.outcomes import NotNow
from keymgr.store.keys import KeyRequest, RequestState

OPEN = frozenset({RequestState.WAITING, RequestState.APPROVED})
_DECIDED = frozenset({RequestState.APPROVED, RequestState.REFUSED})


def state_of(request: KeyRequest, now: datetime) -> RequestState:
    """Say where a request stands; one whose time is over has lapsed before the clock says so."""
    until = {RequestState.WAITING: request.expires_at, RequestState.APPROVED: request.claim_until}
    state = RequestState(request.state)
    ends_at = until.get(state)
    return RequestState.LAPSED if ends_at is not None and ends_at <= now else state


def not_waiting(request: KeyRequest, now: datetime) -> NotNow | None:
    """Say where the request stands when it does not wait for approval any more; None when it does."""
    state = state_of(request, now)
    return None if state == RequestState.WAITING else NotNow(f"{standing(request, now)} Nothing was changed.")


def not_open(request: KeyRequest, now: datetime) -> NotNow | None:
    """Say where the request stands when it has ended; None while it waits or can be claimed."""
    return None if state_of(request, now) in OPEN else NotNow(f"{standing(request, now)} Nothing was changed.")


def standing(request: KeyRequest, now: datetime) -> str:
    """Say in a sentence where the request stands."""
    state = state_of(request, now)
    who = "" if request.decided_by is None or state not in _DECIDED else f" by {request.decided_by.partition(':')[2]}"
    return f"The request “{request.name}” is {state}{who}."
