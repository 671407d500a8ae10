"""The log of attempts that were refused: one line each, with address and request id, never with a token."""

import logging

from keymgr.keys.verdict import Verdict
from keymgr.tokens.verdicts import VerdictCode

_log = logging.getLogger("keymgr.refusals")
_COUNTED = frozenset({VerdictCode.OK, VerdictCode.RATE_LIMITED, VerdictCode.QUOTA_EXCEEDED})


def log_refusal(verdict: Verdict, *, audience: str, address: str | None, request_id: str) -> None:
    """Log a verdict that is not a yes; limits that were hit are left to the usage counts."""
    if verdict.code in _COUNTED:
        return
    key_id = "-" if verdict.known is None else verdict.known.facts.key_id
    values = (verdict.code.value, _plain(audience), key_id, _plain(address or "-"), request_id)
    _log.warning("refused %s service=%s key=%s address=%s request=%s", *values)


def log_unknown_caller(address: str | None, request_id: str) -> None:
    """Log a call that did not prove which service it comes from."""
    _log.warning("refused unauthenticated address=%s request=%s", _plain(address or "-"), request_id)


def _plain(text: str) -> str:
    """Keep a value from others on one line and of one piece."""
    return "".join(character if "!" <= character <= "~" else "?" for character in text[:100])
