"""The signing keys as an admin sees them: where each stands, since when, and how many secrets still need it."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from keymgr.keys.signing_keys import SETTLING, is_needed
from keymgr.store.keys import Credential, Key, SigningKey, SigningKeyState

_ORDER = (SigningKeyState.NEXT, SigningKeyState.ACTIVE, SigningKeyState.RETIRING, SigningKeyState.RETIRED)


@dataclass(frozen=True, slots=True)
class ListedKey:
    """One signing key; `secrets` live ones were signed by it, the last of which ends at `needed_until`."""

    kid: str
    algorithm: str
    state: SigningKeyState
    kek_id: str
    created_at: datetime
    activated_at: datetime | None
    retiring_at: datetime | None
    retired_at: datetime | None
    secrets: int
    needed_until: datetime | None

    def may_retire(self, now: datetime) -> bool:
        """Tell whether `retire` would do it now."""
        is_settled = self.retiring_at is not None and self.retiring_at <= now - SETTLING
        return self.state is SigningKeyState.RETIRING and is_settled and self.secrets == 0


def list_signing_keys(session: Session, now: datetime) -> tuple[ListedKey, ...]:
    """List all, in the order of their lives: next, active, retiring, retired; the newest of each first."""
    counted = select(SigningKey.kid, func.count(), func.max(Credential.expires_at)).where(is_needed(now))
    needed = {
        kid: (number, until)
        for kid, number, until in session.execute(
            counted.select_from(SigningKey, Credential, Key).group_by(SigningKey.kid)
        )
    }
    rows = session.scalars(select(SigningKey).order_by(SigningKey.created_at.desc(), SigningKey.kid)).all()
    listed = [
        ListedKey(
            kid=row.kid,
            algorithm=row.algorithm,
            state=SigningKeyState(row.state),
            kek_id=row.kek_id,
            created_at=row.created_at,
            activated_at=row.activated_at,
            retiring_at=row.retiring_at,
            retired_at=row.retired_at,
            secrets=needed.get(row.kid, (0, None))[0],
            needed_until=needed.get(row.kid, (0, None))[1],
        )
        for row in rows
    ]
    return tuple(sorted(listed, key=lambda each: _ORDER.index(each.state)))
