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
    """One thing that has to be said and was not; `field` names it, such as `justification`, `ticket` or `reason`."""

    field: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Incomplete:
    """What was sent does not say all that is needed; nothing was written."""

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


@dataclass(frozen=True, slots=True)
class Signed:
    """The approval counts; `remaining` more are needed before the request is approved."""

    request_id: str
    at: datetime
    remaining: int


@dataclass(frozen=True, slots=True)
class Approved:
    """The request is approved and can be claimed until `claim_until`; nothing was minted."""

    request_id: str
    claim_until: datetime


@dataclass(frozen=True, slots=True)
class RequestRefused:
    """A person refused the request, with a reason that the requester reads."""

    request_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class MayNotDecide:
    """The person may not do this about the request; `sentence` says why."""

    sentence: str


@dataclass(frozen=True, slots=True)
class Changed:
    """The wish is not the one that the person saw; nothing was written."""

    sentence: str


@dataclass(frozen=True, slots=True)
class NotNarrower:
    """What was sent as approval with changes is not less than what was asked for; nothing was written."""

    sentence: str


@dataclass(frozen=True, slots=True)
class Reviewed:
    """Somebody else has looked at what was granted in an emergency."""

    request_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Amended:
    """The request has a new wish and waits anew until `expires_at`; earlier approvals are void."""

    request_id: str
    expires_at: datetime
    decision: NeedsApproval


@dataclass(frozen=True, slots=True)
class Nudged:
    """The approvers are reminded; the next time is a day later at the earliest."""

    request_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Said:
    """The line stands in the conversation of the request."""

    request_id: str
    at: datetime


AskOutcome = Issued | Pending | Refused | Incomplete | Closed | PolicyMoved | AlreadyDone
RotateOutcome = Issued | Refused | Closed | NotYours | NotNow | AlreadyDone
RevokeOutcome = Revoked | NotYours | NotNow | AlreadyDone
SuspendOutcome = Suspended | NotYours | NotNow | AlreadyDone
ResumeOutcome = Resumed | NotYours | NotNow | AlreadyDone
WithdrawOutcome = Withdrawn | NotYours | NotNow | AlreadyDone
ApproveOutcome = (
    Signed
    | Approved
    | Incomplete
    | Refused
    | Closed
    | MayNotDecide
    | Changed
    | NotNarrower
    | NotYours
    | NotNow
    | AlreadyDone
)
RefuseOutcome = RequestRefused | Incomplete | Closed | MayNotDecide | Changed | NotYours | NotNow | AlreadyDone
BreakGlassOutcome = Approved | Incomplete | Refused | Closed | MayNotDecide | Changed | NotYours | NotNow | AlreadyDone
ReviewOutcome = Reviewed | Incomplete | MayNotDecide | NotYours | NotNow | AlreadyDone
ClaimOutcome = Issued | Refused | Closed | NotYours | NotNow | AlreadyDone
AmendOutcome = (
    Amended | Approved | Refused | Incomplete | Closed | PolicyMoved | Changed | NotYours | NotNow | AlreadyDone
)
NudgeOutcome = Nudged | NotYours | NotNow | AlreadyDone
SayOutcome = Said | Incomplete | NotYours | NotNow | AlreadyDone
