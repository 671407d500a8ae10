"""Acknowledgements: which of a pull request's `ChangeAck` documents excuse a guard, and why the others do not."""

import hashlib
import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum

from keymgr.policy.digest import canonical
from keymgr.policy.documents import Document, typed
from keymgr.policy.documents_set import ChangeAckDocument, ChangeAckSpec, ChangeGuard
from keymgr.policy.words import Source

_COUNTED = frozenset({ChangeGuard.MAX_KEYS_LOSING_ACCESS, ChangeGuard.MAX_OBJECTS_PRUNED})


class AckState(StrEnum):
    """Whether an acknowledgement excuses its guard, or what keeps it from doing so."""

    EXCUSES = "excuses"
    NOT_NEEDED = "not_needed"
    EXPIRED = "expired"
    SPENT = "spent"
    WRONG_BASE = "wrong_base"
    TOO_SMALL = "too_small"
    NO_MAXIMUM = "no_maximum"


@dataclass(frozen=True, slots=True)
class Ack:
    """One acknowledgement; `digest` identifies what it says, so that it works once whatever its name or file."""

    name: str
    source: Source
    digest: str
    spec: ChangeAckSpec


@dataclass(frozen=True, slots=True)
class AckResult:
    """An acknowledgement with what it came to."""

    ack: Ack
    state: AckState


def acks_in(documents: Iterable[Document]) -> tuple[Ack, ...]:
    """Return the acknowledgements among documents, by name."""
    found = ((document, typed(document)) for document in documents if document.kind == "ChangeAck")
    acks = (
        Ack(document.name, document.source, _digest(model), model.spec)
        for document, model in found
        if isinstance(model, ChangeAckDocument)
    )
    return tuple(sorted(acks, key=lambda ack: ack.name))


def state_of(ack: Ack, value: int | None, *, base_digest: str, now: int, spent: Collection[str]) -> AckState:
    """Return whether the acknowledgement excuses its guard, which counts `value`; None where it has not tripped."""
    if ack.digest in spent:
        return AckState.SPENT
    if not base_digest.startswith(ack.spec.base):
        return AckState.WRONG_BASE
    if now >= ack.spec.expires_at:
        return AckState.EXPIRED
    if value is None:
        return AckState.NOT_NEEDED
    if ack.spec.max is None:
        return AckState.NO_MAXIMUM if ack.spec.guard in _COUNTED else AckState.EXCUSES
    return AckState.EXCUSES if value <= ack.spec.max else AckState.TOO_SMALL


def _digest(model: ChangeAckDocument) -> str:
    text = json.dumps(canonical(model)["spec"], sort_keys=True)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
