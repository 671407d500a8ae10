"""From settings to the parts that server, commands and clock share; only they may import this module."""

from keymgr.config import Settings
from keymgr.keys.issuer import Issuer
from keymgr.policy.model import TokenForm
from keymgr.store.audit import AuditLevel
from keymgr.tokens.signing import Algorithm
from keymgr.tokens.vault import Vault


def make_issuer(settings: Settings) -> Issuer:
    """Make what issues keys: the settings' words become the core's types here and nowhere else."""
    return Issuer(
        url=settings.public_url,
        algorithm=Algorithm(settings.signing_algorithm),
        token_form=TokenForm(settings.token_form),
        secret_bytes=settings.secret_bytes,
        bound=settings.secret_check == "bound",  # noqa: S105 - a mode of checking, no secret.
        enabled=settings.issuing_enabled,
        pepper=settings.pepper,
        vault=Vault(dict(settings.kek), settings.kek[0][0]),
        audit_level=AuditLevel(settings.audit_level),
        status_uri=f"{settings.public_url}/status-lists/1",
    )
