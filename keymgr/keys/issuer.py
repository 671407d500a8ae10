"""What issuing needs from the deployment's settings, as one value; `app.create_app` builds it."""

from dataclasses import dataclass, field

from keymgr.policy.model import TokenForm
from keymgr.store.audit import AuditLevel
from keymgr.tokens.signing import Algorithm
from keymgr.tokens.vault import Vault


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who signs and how. `url` is the `iss` claim, `status_uri` where the status list is served.

    `enabled` False stops issuing and touches no verification. `bound` says whether the wrapped secret is checked
    online; its digest is stored either way, so that the setting can be changed back. `secret_bytes` is the length of
    a new secret, `token_form` what a key gets where its rule does not say.
    """

    url: str
    algorithm: Algorithm
    token_form: TokenForm
    secret_bytes: int
    bound: bool
    enabled: bool
    pepper: bytes = field(repr=False)
    vault: Vault = field(repr=False)
    audit_level: AuditLevel
    status_uri: str
