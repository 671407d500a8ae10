"""Why a presented token is not one of ours: a value with a word for machines and a sentence for people."""

from dataclasses import dataclass
from enum import StrEnum

from keymgr.tokens.verdicts import VerdictCode


class Rejection(StrEnum):
    """The first check that a token failed. Stable: the audit and the metrics use these words."""

    MALFORMED = "malformed"
    WRONG_TYPE = "wrong_type"
    UNKNOWN_KEY = "unknown_key"
    WRONG_ALGORITHM = "wrong_algorithm"
    BAD_SIGNATURE = "bad_signature"
    WRONG_ISSUER = "wrong_issuer"
    NOT_YET_VALID = "not_yet_valid"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Rejected:
    """A refusal. The sentence never quotes the token: it may be shown and logged as it stands."""

    reason: Rejection
    sentence: str

    @property
    def code(self) -> VerdictCode:
        """The verdict that a verifier answers with."""
        return VerdictCode.KEY_EXPIRED if self.reason is Rejection.EXPIRED else VerdictCode.KEY_INVALID
