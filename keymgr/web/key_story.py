"""What happened to a key, one sentence for each event of the audit trail."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from keymgr.keys.detail import Told
from keymgr.web.forge import SHORT_COMMIT
from keymgr.web.wording import clock, owner_words

_DONE = {
    "key.issued": "created this key",
    "key.rotated": "rotated it",
    "key.revoked": "revoked it",
    "key.suspended": "suspended it",
    "key.resumed": "resumed it",
    "key.expired": "brought its end forward",
    "key.flagged": "found that it no longer fits the policy",
    "key.fits_again": "found that it fits the policy again",
    "key.notified": "told those who are to know",
    "key.overdue": "found that the grace is over",
    "key.grace_ended": "ended the old secret before its time",
    "key.grace_extended": "let the old secret work longer",
    "key.rotation_undone": "undid the rotation: the old secret stands again",
    "credential.retired": "ended the old secret, as its time was over",
}


@dataclass(frozen=True, slots=True)
class Happened:
    """One event of the timeline as a sentence."""

    at: datetime
    sentence: str
    note: str


def happened(told: Told) -> Happened:
    """Write one event: who did what, and beside it why, by which policy, from where and in which request."""
    done = _DONE.get(told.action, told.action.replace("key.", "").replace("_", " "))
    who = owner_words(told.actor) if ":" in told.actor else told.actor
    sentence = f"{who} {done}." if told.outcome == "done" else f"{who} tried what the policy refused: {told.action}."
    return Happened(told.at, sentence, " · ".join(_notes(told)))


def _notes(told: Told) -> Iterator[str]:
    detail = told.detail
    if detail.get("rule"):
        yield f"rule {detail['rule']}"
    if told.commit:
        yield f"policy {told.commit[:SHORT_COMMIT]}"
    if detail.get("reason"):
        yield f"reason: {reason_words(str(detail['reason']))}"
    if detail.get("note"):
        yield f"“{detail['note']}”"
    if detail.get("old_good_until"):
        yield f"the old secret works until {clock(datetime.fromisoformat(detail['old_good_until']))}"
    if told.address:
        yield f"from {told.address}"
    if told.request_id:
        yield told.request_id


def reason_words(stored: str | None) -> str:
    """Write a stored reason such as `not_needed: moved` in words."""
    word, _, note = (stored or "no reason given").partition(": ")
    return word.replace("_", " ") + (f", “{note}”" if note else "")
