"""One wish with every name looked up: what guardrails and rules judge, or why it cannot be judged at all."""

from collections.abc import Iterable
from dataclasses import dataclass

from keymgr.policy.decision import Reason, Unmet
from keymgr.policy.model import Asker, Environment, Evidence, Network, Policy, Risk, Scope, Service, Wish
from keymgr.policy.networks import BadNetwork, in_order, joined, parse_network
from keymgr.policy.wording import Voice, all_of, count, did_you_mean, shown, voice_of

NETWORKS_MAX = 256
BY_RISK = tuple(Risk)


@dataclass(frozen=True, slots=True)
class Case:
    """A wish that names only what exists; `scopes` and `networks` are in a fixed order, whatever the wish's was.

    In `merged_networks` neighbours are one network.
    """

    policy: Policy
    asker: Asker
    wish: Wish
    evidence: Evidence
    now: int
    service: Service
    environment: Environment
    scopes: tuple[Scope, ...]
    networks: tuple[Network, ...]
    merged_networks: tuple[Network, ...]
    voice: Voice

    @property
    def target(self) -> str:
        """The service and environment in words, for the end of a sentence."""
        return f"{self.service.name} in {self.environment.name}"


def open_case(policy: Policy, asker: Asker, wish: Wish, evidence: Evidence, now: int) -> Case | tuple[Unmet, ...]:
    """Look up every name of the wish; everything that is unknown or malformed is told at once."""
    service = policy.services.get(wish.service)
    environment = policy.environments.get(wish.environment)
    networks, bad_networks = _networks(wish)
    faults = (
        *_owner_faults(asker),
        *_name_faults(policy, service, environment, wish),
        *_lifetime_faults(wish),
        *bad_networks,
    )
    if faults or service is None or environment is None:
        return faults
    scopes = tuple(scope for scope in service.scopes.values() if scope.name in wish.scopes)
    merged = joined(networks)
    return Case(policy, asker, wish, evidence, now, service, environment, scopes, networks, merged, voice_of(asker))


def _owner_faults(asker: Asker) -> Iterable[Unmet]:
    if not asker.active:
        voice = voice_of(asker)
        sentence = f"Only an active owner may hold keys; {voice.subject} {voice.be} not active. Ask an admin."
        yield Unmet(Reason.OWNER_INACTIVE, sentence, None)


def _name_faults(
    policy: Policy, service: Service | None, environment: Environment | None, wish: Wish
) -> Iterable[Unmet]:
    if service is None:
        sentence = f"There is no service named {shown(wish.service)}. {did_you_mean(wish.service, policy.services)}"
        yield Unmet(Reason.UNKNOWN_NAME, sentence, None)
    offered = policy.environments if service is None else service.environments
    if environment is None or environment.name not in offered:
        where = f"{service.name} has" if service else "There is"
        sentence = f"{where} no environment named {shown(wish.environment)}. {did_you_mean(wish.environment, offered)}"
        yield Unmet(Reason.UNKNOWN_NAME, sentence, service.source if service else None)
    if service is not None:
        yield from _scope_faults(service, wish)
    if not wish.scopes:
        yield Unmet(Reason.BAD_REQUEST, "Choose at least one scope.", None)


def _scope_faults(service: Service, wish: Wish) -> Iterable[Unmet]:
    unknown = sorted(wish.scopes.difference(service.scopes))
    if len(unknown) == 1:
        sentence = f"{service.name} has no scope named {shown(unknown[0])}. {did_you_mean(unknown[0], service.scopes)}"
        yield Unmet(Reason.UNKNOWN_NAME, sentence, service.source)
    elif unknown:
        names = all_of(shown(name) for name in unknown)
        sentence = f"{service.name} has no scopes named {names}. There is {all_of(sorted(service.scopes))}."
        yield Unmet(Reason.UNKNOWN_NAME, sentence, service.source)


def _lifetime_faults(wish: Wish) -> Iterable[Unmet]:
    if wish.ttl_seconds is not None and wish.ttl_seconds <= 0:
        yield Unmet(Reason.BAD_REQUEST, "A key has to live longer than no time; ask for at least one second.", None)


def _networks(wish: Wish) -> tuple[tuple[Network, ...], list[Unmet]]:
    if len(wish.cidrs) > NETWORKS_MAX:
        sentence = f"You named {count(len(wish.cidrs), 'network')}; name at most {NETWORKS_MAX}."
        return (), [Unmet(Reason.BAD_REQUEST, sentence, None)]
    good: list[Network] = []
    bad: list[Unmet] = []
    for text in wish.cidrs:
        match parse_network(text):
            case BadNetwork(sentence):
                bad.append(Unmet(Reason.BAD_REQUEST, sentence, None))
            case network:
                good.append(network)
    return in_order(good), bad
