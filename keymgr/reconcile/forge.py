"""Deliveries of the forge: whether one really comes from it, and the note that makes the clock fetch soon.

A delivery is a hint and nothing else: what it says of branches and commits is never read, not even parsed.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from keymgr.reconcile.pull_due import hint
from keymgr.store.policies import ForgeDelivery

KEPT = timedelta(days=1)
SIGNING_TOKEN = "whsec_"  # noqa: S105 - how a signing token of GitLab begins, no token.
_FRESH_SECONDS = 300
_ID_LENGTH = 100


class ForgeKind(StrEnum):
    """The forges whose signatures we know; Forgejo signs as Gitea does."""

    GITHUB = "github"
    GITLAB = "gitlab"
    GITEA = "gitea"


@dataclass(frozen=True, slots=True)
class Hook:
    """Which forge calls, and the secret that it shares with us; never empty."""

    kind: ForgeKind
    secret: str = field(repr=False)

    def __post_init__(self) -> None:
        if not self.secret:
            raise ValueError("A hook without a secret would believe anybody.")


Headers = Mapping[str, str]


def genuine(hook: Hook, headers: Headers, body: bytes, now: datetime) -> tuple[str, ...]:
    """Return the names by which a delivery is remembered, none for one that is not from the forge.

    `body` is what came, byte for byte; `headers` have lower-case names. The name the forge gives a delivery is not
    signed by all of them, so what is signed counts as a name as well: a copy under another name is known, too.
    """
    check, name = _CHECKS[hook.kind]
    if not check(hook.secret, headers, body, now):
        return ()
    given = headers.get(name, "")[:_ID_LENGTH]
    content = f"{hook.kind}:sha256:{hashlib.sha256(body).hexdigest()}"
    return (f"{hook.kind}:id:{given}", content) if given else (content,)


def accept(session: Session, names: tuple[str, ...], now: datetime) -> bool:
    """Remember a genuine delivery and have the clock fetch; False for one that came before, which does nothing."""
    known = session.scalar(select(ForgeDelivery.id).where(ForgeDelivery.id.in_(names)).limit(1))
    if known is not None:
        return False
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    for name in names:
        added = insert(ForgeDelivery).values(id=name, seen_at=now).on_conflict_do_nothing()
        if session.scalar(added.returning(ForgeDelivery.id)) is None:
            return False
    hint(session, now)
    return True


def forget_deliveries(session: Session, now: datetime) -> None:
    """Let go of what was remembered for a day."""
    session.execute(delete(ForgeDelivery).where(ForgeDelivery.seen_at < now - KEPT))


def _is_of_github(secret: str, headers: Headers, body: bytes, _now: datetime) -> bool:
    scheme, _, signature = headers.get("x-hub-signature-256", "").partition("=")
    return scheme == "sha256" and _is_hex_mac(secret, signature, body)


def _is_of_gitea(secret: str, headers: Headers, body: bytes, _now: datetime) -> bool:
    return _is_hex_mac(secret, headers.get("x-gitea-signature", headers.get("x-forgejo-signature", "")), body)


def _is_hex_mac(secret: str, signature: str, body: bytes) -> bool:
    wanted = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(wanted.encode(), signature.encode("utf-8", "surrogateescape"))


def _is_of_gitlab(secret: str, headers: Headers, body: bytes, now: datetime) -> bool:
    """Check the signature where the secret is a signing token, else the secret itself, which then comes along."""
    if not secret.startswith(SIGNING_TOKEN):
        return hmac.compare_digest(
            secret.encode(), headers.get("x-gitlab-token", "").encode("utf-8", "surrogateescape")
        )
    name, moment = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not name or not _is_fresh(moment, now):
        return False
    signed = b".".join((name.encode("utf-8", "surrogateescape"), moment.encode(), body))
    wanted = b"v1," + base64.b64encode(hmac.digest(_signing_key(secret), signed, "sha256"))
    offered = headers.get("webhook-signature", "").encode("utf-8", "surrogateescape").split(b" ")
    return any(hmac.compare_digest(wanted, each) for each in offered)


def _is_fresh(moment: str, now: datetime) -> bool:
    is_number = moment.isascii() and moment.isdecimal() and len(moment) <= 12  # noqa: PLR2004 - digits enough for any second to come.
    return is_number and abs(int(moment) - now.timestamp()) <= _FRESH_SECONDS


def _signing_key(secret: str) -> bytes:
    encoded = secret.removeprefix(SIGNING_TOKEN)
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("The secret is not a signing token of GitLab: whsec_ and then base64.") from None


_Check = Callable[[str, Headers, bytes, datetime], bool]
_CHECKS: Mapping[ForgeKind, tuple[_Check, str]] = {
    ForgeKind.GITHUB: (_is_of_github, "x-github-delivery"),
    ForgeKind.GITLAB: (_is_of_gitlab, "webhook-id"),
    ForgeKind.GITEA: (_is_of_gitea, "x-gitea-delivery"),
}
