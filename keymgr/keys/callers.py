"""Who asks: a service presents its service credential, and sees only keys of its own."""

from dataclasses import dataclass, field

from keymgr.keys.verify import KeyStates
from keymgr.tokens.opaque import recognise_service_credential
from keymgr.tokens.secret import matches


@dataclass(frozen=True, slots=True)
class Caller:
    """A service that has proved who it is."""

    credential_id: str
    service: str


@dataclass(frozen=True, slots=True)
class Callers:
    """Recognises service credentials by their digest."""

    states: KeyStates
    pepper: bytes = field(repr=False)

    def recognise(self, text: str) -> Caller | None:
        """Say which service presents this; None when it is no good one. Raises `StatesUnavailableError`."""
        opaque = recognise_service_credential(text)
        if opaque is None:
            return None
        self.states.signing_keys()
        facts = self.states.caller(opaque.credential_id)
        if facts is None or not matches(opaque.secret, facts.secret_digest, self.pepper) or facts.revoked:
            return None
        return Caller(facts.credential_id, facts.service)
