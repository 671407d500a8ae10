"""Which services there are: a gateway that names one the policy does not have is told so, instead of refusing all."""

import logging
import time
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

RETRY_SECONDS = 1.0
_log = logging.getLogger(__name__)


class KnownServices:
    """Remembers service names; only an unknown name makes it read again, at most once a second.

    It decides nothing about keys: a service that has left the policy may still be named, and its keys' state counts.
    """

    def __init__(self, read: Callable[[], frozenset[str]]) -> None:
        self._read = read
        self._names: frozenset[str] = frozenset()
        self._read_at = float("-inf")

    def knows(self, name: str) -> bool:
        """Say whether there is such a service; True too when it cannot be read, because then the verdict tells."""
        if name in self._names:
            return True
        if time.monotonic() - self._read_at < RETRY_SECONDS:
            return False
        try:
            self._names = self._read()
        except SQLAlchemyError:
            _log.exception("The services of the policy in force cannot be read.")
            return True
        self._read_at = time.monotonic()
        return name in self._names
