"""What an approver reads beside a wish: risks in words, how access would change, how it went before, similar keys."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from keymgr.keys.holdings import Holding, holdings_of, live_holdings
from keymgr.keys.risk_flags import UNUSED_AFTER, RiskFlag, Weighed, flags_of, name_of
from keymgr.policy.model import Policy, Risk, Wish
from keymgr.store.keys import KeyRequest, KeyState, RequestState
from keymgr.store.people import Person

PEERS_MAX = 5
_LEAKED = "leaked"


@dataclass(frozen=True, slots=True)
class Subject:
    """Which wish is looked at: `owner` would hold the key, `rule` is the name of the rule that asks for approval."""

    request_id: str
    owner: str
    requester: str
    wish: Wish
    rule: str


@dataclass(frozen=True, slots=True)
class AccessLine:
    """One scope in one environment. `held_until` is the end of what the owner has, `would_until` of what is asked.

    A line is new where nothing is held, longer where the wish outlives what is held, and otherwise as it is.
    """

    scope: str
    environment: str
    risk: Risk | None
    held_until: datetime | None
    would_until: datetime | None

    @property
    def is_new(self) -> bool:
        """Whether the owner cannot do this today."""
        return self.held_until is None

    @property
    def is_longer(self) -> bool:
        """Whether the owner can do this today, but not for as long."""
        return self.held_until is not None and self.would_until is not None and self.would_until > self.held_until


@dataclass(frozen=True, slots=True)
class History:
    """How it went before: keys of the owner, requests of the requester; `grown` keys are older than a week."""

    keys: int
    live: int
    revoked: int
    leaked: int
    grown: int
    unused: int
    granted: int
    refused: int
    refused_at: datetime | None
    joined_at: datetime | None


@dataclass(frozen=True, slots=True)
class Dossier:
    """Everything beside the wish itself; `peers` are the likest live keys of team mates, the likest first."""

    flags: tuple[RiskFlag, ...]
    access: tuple[AccessLine, ...]
    history: History
    peers: tuple[Holding, ...]


def dossier(session: Session, policy: Policy, subject: Subject, *, mates: Collection[str], now: datetime) -> Dossier:
    """Read up on a wish under the policy in force. `mates` are owners of the same teams, which the door knows of."""
    wish = subject.wish
    held = holdings_of(session, subject.owner)
    others = live_holdings(session, wish.service, set(mates) - {subject.owner}, now)
    history = _history(session, subject, held, now)
    weighed = Weighed(
        policy=policy,
        wish=wish,
        rule=policy.rules.get(subject.rule),
        owner=subject.owner,
        requester=subject.requester,
        held=held,
        mates=others,
        refused_at=_same_refused_at(session, subject),
        joined_at=history.joined_at,
        now=now,
    )
    return Dossier(flags_of(weighed), _access(policy, wish, held, now), history, _peers(wish, others))


def _access(policy: Policy, wish: Wish, held: Sequence[Holding], now: datetime) -> tuple[AccessLine, ...]:
    """Put side by side what the owner holds of the service and what the wish adds, new lines first."""
    has: dict[tuple[str, str], datetime] = {}
    for key in held:
        if key.service == wish.service and key.is_live(now):
            for scope in key.scopes:
                place = (scope, key.environment)
                has[place] = max(key.expires_at, has.get(place, key.expires_at))
    until = now + timedelta(seconds=wish.ttl_seconds or 0)
    asked = {(scope, wish.environment): until for scope in wish.scopes}
    declared = policy.services[wish.service].scopes if wish.service in policy.services else {}
    lines = [
        AccessLine(
            scope=scope,
            environment=environment,
            risk=declared[scope].risk if scope in declared else None,
            held_until=has.get((scope, environment)),
            would_until=asked.get((scope, environment)),
        )
        for scope, environment in has.keys() | asked.keys()
    ]
    return tuple(sorted(lines, key=lambda line: (not line.is_new, not line.is_longer, line.environment, line.scope)))


def _history(session: Session, subject: Subject, held: Sequence[Holding], now: datetime) -> History:
    revoked = [key for key in held if key.state is KeyState.REVOKED]
    grown = [key for key in held if key.created_at <= now - UNUSED_AFTER]
    ended = _ended(session, subject)
    refused, refused_at = ended.get(RequestState.REFUSED, (0, None))
    return History(
        keys=len(held),
        live=sum(key.is_live(now) for key in held),
        revoked=len(revoked),
        leaked=sum((key.state_reason or "").startswith(_LEAKED) for key in revoked),
        grown=len(grown),
        unused=sum(key.last_used_at is None for key in grown),
        granted=sum(ended.get(state, (0, None))[0] for state in (RequestState.APPROVED, RequestState.CLAIMED)),
        refused=refused,
        refused_at=refused_at,
        joined_at=session.scalar(select(Person.created_at).where(Person.name == name_of(subject.requester))),
    )


def _ended(session: Session, subject: Subject) -> dict[str, tuple[int, datetime | None]]:
    """Count the requester's other requests by what became of them, with when that last happened."""
    statement = (
        select(KeyRequest.state, func.count(), func.max(KeyRequest.decided_at))
        .where(KeyRequest.requester == subject.requester, KeyRequest.id != subject.request_id)
        .group_by(KeyRequest.state)
    )
    return {state: (number, last) for state, number, last in session.execute(statement)}


def _same_refused_at(session: Session, subject: Subject) -> datetime | None:
    """Find when the owner was last refused, in another request, what is asked for now or a part of it."""
    wish = subject.wish
    statement = (
        select(KeyRequest.scopes, KeyRequest.decided_at)
        .where(
            KeyRequest.owner == subject.owner,
            KeyRequest.service == wish.service,
            KeyRequest.environment == wish.environment,
            KeyRequest.state == RequestState.REFUSED,
            KeyRequest.id != subject.request_id,
        )
        .order_by(KeyRequest.decided_at.desc())
    )
    return next((at for scopes, at in session.execute(statement) if wish.scopes >= set(scopes)), None)


def _peers(wish: Wish, others: Sequence[Holding]) -> tuple[Holding, ...]:
    """Choose what is most like the wish: the same environment, then the more scopes in common."""
    like = [key for key in others if wish.scopes & set(key.scopes)]
    like.sort(key=lambda key: (key.environment != wish.environment, -len(wish.scopes & set(key.scopes))))
    return tuple(like[:PEERS_MAX])
