"""What the verbs of this room answer. Expected outcomes are values; doors `match` them exhaustively."""

from dataclasses import dataclass, field
from datetime import datetime

from keymgr.policy.decision import Allowed, Denied, Explanation, NeedsApproval


@dataclass(frozen=True, slots=True)
class Issued:
    """A key exists and is committed with the caller's commit; `token` is shown once and kept nowhere."""

    key_id: str
    credential_id: str
    token: str = field(repr=False)
    name: str
    owner: str
    service: str
    environment: str
    scopes: tuple[str, ...]
    cidrs: tuple[str, ...]
    expires_at: datetime
    token_expires_at: datetime
    rotate_by: datetime | None
    decision: Allowed | NeedsApproval


@dataclass(frozen=True, slots=True)
class Pending:
    """The wish is stored and waits for approval until `expires_at`."""

    request_id: str
    expires_at: datetime
    decision: NeedsApproval


@dataclass(frozen=True, slots=True)
class Refused:
    """Policy refuses the wish; nothing but an audit event was written."""

    decision: Denied


@dataclass(frozen=True, slots=True)
class Lack:
    """One thing that the approval policy asks for and that was not said; `field` is `justification` or `ticket`."""

    field: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Incomplete:
    """The policy would grant the wish if it were told more; nothing was written."""

    lacking: tuple[Lack, ...]


@dataclass(frozen=True, slots=True)
class Closed:
    """Nothing is issued at the moment, whoever asks: `sentence` says why and what to do."""

    sentence: str


@dataclass(frozen=True, slots=True)
class PolicyMoved:
    """The policy changed between what the person saw and the submit, and the answer with it; nothing was written."""

    seen_revision: int
    revision: int
    explanation: Explanation


@dataclass(frozen=True, slots=True)
class AlreadyDone:
    """This form was submitted before at `at`; `object_id` is the key or request that it made."""

    object_id: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Revoked:
    """The key is revoked; from the commit on no verifier of this node accepts it."""

    key_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Suspended:
    """The key is out of use until it is resumed."""

    key_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Resumed:
    """The key is in use again."""

    key_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """The request waits no longer; nothing was issued."""

    request_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class NotYours:
    """There is no such key, or the actor may not know of it: the two look the same on purpose."""


@dataclass(frozen=True, slots=True)
class NotNow:
    """The key's state does not allow this; `sentence` says which state and what to do."""

    sentence: str


AskOutcome = Issued | Pending | Refused | Incomplete | Closed | PolicyMoved | AlreadyDone
RotateOutcome = Issued | Refused | Closed | NotYours | NotNow | AlreadyDone
RevokeOutcome = Revoked | NotYours | NotNow | AlreadyDone
SuspendOutcome = Suspended | NotYours | NotNow | AlreadyDone
ResumeOutcome = Resumed | NotYours | NotNow | AlreadyDone
WithdrawOutcome = Withdrawn | NotYours | NotNow | AlreadyDone
