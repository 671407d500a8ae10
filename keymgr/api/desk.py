"""What the machine's door is given when the house is joined: one frozen value, read from nowhere else."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from limits.strategies import RateLimiter
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from keymgr.api.known_services import KnownServices
from keymgr.keys.callers import Callers
from keymgr.keys.issuer import Issuer
from keymgr.keys.verify import Verifier
from keymgr.policy.model import InForce, Network
from keymgr.reconcile.forge import Hook


@dataclass(frozen=True, slots=True)
class PolicyCounter:
    """What the calls about policy need: plans for pull-request jobs, and the forge's deliveries if there is a `hook`.

    `plan_command` starts the process that makes one plan; `shows_owners` lets jobs ask who owns a key.
    """

    limiter: RateLimiter
    plan_command: tuple[str, ...]
    shows_owners: bool = False
    hook: Hook | None = None


@dataclass(frozen=True, slots=True)
class Desk:
    """Settings and parts that machines' answers need; `app.create_app` builds it with `open_desk`.

    `public_url` (no trailing slash) is the only source of addresses in answers: the Host header never is.
    `allowed_hosts` lists host names, without port, that everything but the machine paths answers to; empty: any.
    """

    verifier: Verifier
    callers: Callers
    services: KnownServices
    issuer: Issuer
    engine: Engine
    policy: PolicyCounter
    public_url: str
    trusted_proxies: tuple[Network, ...] = ()
    allowed_hosts: frozenset[str] = frozenset()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Lend a session that only reads and never waits for a writer."""
        with read_only(self.engine) as session:
            yield session

    def close(self) -> None:
        """Write what was counted and let go of files and connections; the next request opens them again."""
        self.verifier.close()
        self.engine.dispose()


@contextmanager
def read_only(engine: Engine) -> Iterator[Session]:
    """Lend a session that only reads and never waits for a writer."""
    with Session(engine) as session:
        session.connection(execution_options={"read_only": True})
        yield session


def open_desk(
    engine: Engine,
    verifier: Verifier,
    issuer: Issuer,
    *,
    in_force: Callable[[Session], InForce | None],
    policy: PolicyCounter,
    public_url: str,
    trusted_proxies: tuple[Network, ...] = (),
    allowed_hosts: frozenset[str] = frozenset(),
) -> Desk:
    """Build the desk; `in_force` reads the policy that decides now, None before anything was applied."""

    def services() -> frozenset[str]:
        with read_only(engine) as session:
            found = in_force(session)
        return frozenset() if found is None else frozenset(found.policy.services)

    return Desk(
        verifier=verifier,
        callers=Callers(verifier.states, issuer.pepper),
        services=KnownServices(services),
        issuer=issuer,
        engine=engine,
        policy=policy,
        public_url=public_url,
        trusted_proxies=trusted_proxies,
        allowed_hosts=allowed_hosts,
    )
