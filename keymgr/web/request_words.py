"""How pages speak of requests: where one stands, whom it waits for, what happened to it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from keymgr.keys.detail import Told
from keymgr.keys.request_detail import RequestDetail
from keymgr.policy.approving import StepStanding
from keymgr.policy.decision import Allowed, Denied
from keymgr.policy.wording import all_of, span
from keymgr.store.keys import RequestState
from keymgr.web.wording import owner_words

READY = "Ready to claim"
_DONE = {
    "request.amended": "changed it, and its approval started over",
    "request.approved": "approved it: it can be claimed",
    "request.break_glass": "granted it alone, in an emergency",
    "request.claimed": "claimed it: the key exists",
    "request.lapsed": "saw that its time was over",
    "request.made": "asked for it",
    "request.narrowed": "approved less than was asked for",
    "request.nudged": "reminded the approvers",
    "request.refused": "refused it",
    "request.reopened": "found that it wants more approvals by now: it waits again",
    "request.reviewed": "looked at the emergency",
    "request.said": "wrote about it",
    "request.signed": "approved it",
    "request.withdrawn": "withdrew it",
}
_TRIED = {
    "request.amended": "tried to change it",
    "request.approved": "tried to approve it",
    "request.break_glass": "tried to grant it alone",
    "request.claimed": "tried to claim it",
    "request.refused": "tried to refuse it",
    "request.reviewed": "tried to review it",
}


@dataclass(frozen=True, slots=True)
class Happening:
    """One event of a request as a sentence; `note` is what was said with it."""

    at: datetime
    sentence: str
    note: str


def word_of(state: RequestState) -> str:
    """Return the one word for a request's state: what is approved waits for its requester."""
    return READY if state is RequestState.APPROVED else state.value.capitalize()


def word_for(asked: RequestDetail) -> str:
    """Return the one word for a request that is known in full: what could not be claimed is only approved."""
    if asked.is_claimable:
        return READY
    return "Approved" if asked.state is RequestState.APPROVED else word_of(asked.state)


def network_words(cidrs: Sequence[str]) -> str:
    """Say from where a key would work."""
    return f"from {all_of(cidrs)}" if cidrs else "from any network"


def wish_words(scopes: Iterable[str], service: str, environment: str, ttl_seconds: int) -> str:
    """Write a wish in a few words, such as `charges:read on payments, prod, for 7 days`."""
    return f"{all_of(scopes)} on {service}, {environment}, for {span(ttl_seconds)}"


def waits_on(steps: Sequence[StepStanding]) -> str:
    """Say whom the first step that is not met waits for; empty when all are met."""
    waiting = next((step for step in steps if not step.is_met), None)
    if waiting is None:
        return ""
    more = " more" if waiting.signed else ""
    number = f"one{more} person" if waiting.missing == 1 else f"{waiting.missing}{more} people"
    return f"{number} from {waiting.whose}"


def progress(steps: Sequence[StepStanding]) -> str:
    """Say how many of the approvals are there, such as `1 of 2`."""
    return f"{sum(len(step.signed) for step in steps)} of {sum(step.needed for step in steps)}"


def sentence_of(asked: RequestDetail) -> str:
    """Say in a sentence or two where a request stands and what comes next."""
    who = "" if asked.decided_by is None else owner_words(asked.decided_by)
    match asked.state:
        case RequestState.WAITING:
            return _waiting(asked)
        case RequestState.APPROVED:
            return _approved(asked, who)
        case RequestState.REFUSED:
            return f"{who} refused it. Nothing was issued."
        case RequestState.CLAIMED:
            return "It was claimed: the key exists."
        case RequestState.LAPSED:
            return "Its time is over. Nothing was issued; ask again if you still need it."
        case RequestState.WITHDRAWN:
            return "It was taken back. Nothing was issued."
        case _:  # pragma: no cover - the type checker proves that nothing is left.
            assert_never(asked.state)


def _waiting(asked: RequestDetail) -> str:
    if isinstance(asked.decision, Allowed):
        return "The policy in force grants it at once now: it can be claimed."
    if isinstance(asked.decision, Denied):
        return "The policy in force does not allow it any more, so nobody can approve it."
    return f"It waits for {waits_on(asked.steps) or 'nobody'}, {progress(asked.steps)} signed."


def _approved(asked: RequestDetail, who: str) -> str:
    if not asked.is_claimable:
        return "It was approved, but the policy in force does not grant it that way any more."
    by = f"{who} granted it alone, in an emergency." if asked.break_glass else "It is approved."
    return f"{by} The key exists once it is claimed."


def changes_of(asked: RequestDetail) -> tuple[str, ...]:
    """Say how the wish differs from the one that was sent first."""
    first = asked.asked
    if first is None:
        return ()
    dropped, added = set(first.scopes) - set(asked.scopes), set(asked.scopes) - set(first.scopes)
    found = []
    if dropped:
        found.append(f"Without {all_of(sorted(dropped))}.")
    if added:
        found.append(f"With {all_of(sorted(added))} in addition.")
    if first.ttl_seconds != asked.ttl_seconds:
        found.append(f"For {span(asked.ttl_seconds)} instead of {span(first.ttl_seconds)}.")
    if set(first.cidrs) != set(asked.cidrs):
        found.append(f"{_capital(network_words(asked.cidrs))} instead of {network_words(first.cidrs)}.")
    return tuple(found)


def happening(told: Told) -> Happening:
    """Write one event of the audit trail out."""
    who = owner_words(told.actor) if ":" in told.actor else f"The {told.actor}"
    words = _DONE if told.outcome == "done" else _TRIED
    done = words.get(told.action, told.action.removeprefix("request.").replace("_", " "))
    step = f", step “{told.detail['step']}”" if told.detail.get("step") else ""
    return Happening(told.at, f"{who} {done}{step}.", str(told.detail.get("sentence", "")))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
