"""Verify: the one verdict about a presented key, used by every door."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hmac import compare_digest
from typing import Protocol

from limits.errors import StorageError

from keymgr.keys.flush import UsageBuffer
from keymgr.keys.known import Known, standing
from keymgr.keys.limiting import Limiter, WindowState, retry_after_seconds
from keymgr.keys.signatures import Proof, Signatures
from keymgr.keys.verdict import MESSAGES, Question, Verdict, refused
from keymgr.policy.model import TokenForm
from keymgr.store.key_facts import CallerFacts
from keymgr.store.key_states import StatesUnavailableError
from keymgr.tokens.rejected import Rejected
from keymgr.tokens.signing import VerifyingKey
from keymgr.tokens.verdicts import VerdictCode

UNAVAILABLE_RETRY_SECONDS = 2
_log = logging.getLogger(__name__)


class KeyStates(Protocol):
    """Where the state of keys is read: `SqliteKeyStates` or `PostgresqlKeyStates`."""

    def signing_keys(self) -> Mapping[str, VerifyingKey]:
        """Begin a request: see what was committed before it, and return the keys that verify."""

    def credential(self, credential_id: str) -> Known | None:
        """Return a credential, None when there is none."""

    def caller(self, credential_id: str) -> CallerFacts | None:
        """Return a service credential, None when there is none."""

    def close(self) -> None:
        """Let go of what is open."""


@dataclass(frozen=True, slots=True)
class Verifier:
    """Says whether a presented key is good. `bound` compares the wrapped secret of JWTs with the stored digest.

    A key that was revoked, suspended or narrowed before the call began is never answered with what it was before.
    When the state of keys or the counters cannot be asked, the answer is `verifier_unavailable`, never a yes.
    """

    states: KeyStates
    limiter: Limiter
    signatures: Signatures
    usage: UsageBuffer = field(repr=False)
    bound: bool = True

    def verify(self, question: Question, now: datetime) -> Verdict:
        """Decide, and count the call under its key and verdict; commits nothing and never raises for what is asked."""
        try:
            verdict = self._decide(question, now.timestamp())
        except (StatesUnavailableError, StorageError) as error:
            _log.error("A verdict could not be given: %s", error)
            verdict = _unavailable()
        if verdict.known is not None:
            self.usage.count(verdict.known.facts, verdict.code, question.address, now)
        return verdict

    def limits_of(self, credential_id: str, now: datetime) -> tuple[WindowState, ...] | None:
        """Say how the limits of a key stand without counting a call; None when that cannot be told."""
        try:
            self.states.signing_keys()
            known = self.states.credential(credential_id)
            return None if known is None else self.limiter.look(known.windows, now.timestamp())
        except (StatesUnavailableError, StorageError) as error:
            _log.warning("How limits stand could not be read: %s", error)
            return None

    def close(self) -> None:
        """Write the usage that was counted and let go of files; the next question opens them again."""
        self.usage.close()
        self.limiter.close()
        self.states.close()

    def _decide(self, question: Question, now: float) -> Verdict:
        """Check form, signature and dates, then audience, then the rest; cheapest first."""
        if not question.token:
            return refused(VerdictCode.KEY_MISSING)
        keys = self.states.signing_keys()
        proof = self.signatures.prove(question.token, keys, int(now))
        if isinstance(proof, Rejected):
            return refused(proof.code)
        if proof.claims is not None and proof.claims.audience != question.audience:
            return refused(VerdictCode.KEY_WRONG_AUDIENCE)
        known = self.states.credential(proof.credential_id)
        if known is None or not _belongs(proof, known):
            return refused(VerdictCode.KEY_INVALID)
        if known.facts.service != question.audience:
            return refused(VerdictCode.KEY_WRONG_AUDIENCE)
        return self._of_known(question, proof, known, now)

    def _of_known(self, question: Question, proof: Proof, known: Known, now: float) -> Verdict:
        """Check the credential's standing, its secret, and what the call wants."""
        scopes = known.scopes if proof.claims is None else known.scopes & proof.claims.scopes
        out_of_use = standing(known, int(now))
        if out_of_use is not None:
            return refused(out_of_use, known, scopes)
        if self.bound and not _secret_fits(proof, known):
            return refused(VerdictCode.KEY_INVALID)
        if question.environment is not None and question.environment != known.facts.environment:
            return refused(VerdictCode.CONTEXT_DENIED, known, scopes)
        if not question.scopes <= scopes:
            missing = question.scopes - scopes
            return Verdict(VerdictCode.SCOPE_MISSING, _lacks(missing), known, scopes, missing=missing)
        if not known.allows(question.address):
            return refused(VerdictCode.CONTEXT_DENIED, known, scopes)
        return self._within_limits(question, known, scopes, now)

    def _within_limits(self, question: Question, known: Known, scopes: frozenset[str], now: float) -> Verdict:
        limits = self.limiter.take(known.windows, question.cost, now)
        over = [state for state in limits if not state.fits]
        if not over:
            return Verdict(VerdictCode.OK, MESSAGES[VerdictCode.OK], known, scopes, limits)
        is_quota = any(state.window.is_quota for state in over)
        code = VerdictCode.QUOTA_EXCEEDED if is_quota else VerdictCode.RATE_LIMITED
        wait_seconds = retry_after_seconds(limits)
        return Verdict(code, MESSAGES[code], known, scopes, limits, retry_after_seconds=wait_seconds)


def _belongs(proof: Proof, known: Known) -> bool:
    """Tell whether what was presented is a text we made for this very credential.

    An opaque key proves itself by its secret alone, so nothing about the credential is told before that fits.
    """
    facts = known.facts
    if proof.form != facts.token_form or proof.environment != facts.environment:
        return False
    if proof.form is TokenForm.OPAQUE:
        return _secret_fits(proof, known)
    claims = proof.claims
    return claims is not None and claims.client_id == facts.key_id and claims.subject == facts.owner


def _secret_fits(proof: Proof, known: Known) -> bool:
    return proof.secret_digest is not None and compare_digest(proof.secret_digest, known.facts.secret_digest)


def _lacks(missing: frozenset[str]) -> str:
    return f"The key does not hold {', '.join(sorted(missing))}; ask for a key that does."


def _unavailable() -> Verdict:
    code = VerdictCode.VERIFIER_UNAVAILABLE
    return Verdict(code, MESSAGES[code], retry_after_seconds=UNAVAILABLE_RETRY_SECONDS)
