"""What stops an apply until somebody has acknowledged it: accidents told by their size, and changes told by their kind.

Judged by the stricter guards of base and head, because a change must not be judged by the guards it brings along.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from keymgr.policy.acks import Ack, AckResult, AckState, acks_in, state_of
from keymgr.policy.documents_set import ChangeGuard
from keymgr.policy.guards_strict import Guards, Threshold, guards_of, is_looser, loosened, stricter
from keymgr.policy.model import Policy, PortalPermission, Role, Team, Tier
from keymgr.policy.plan_capabilities import CellChange
from keymgr.policy.plan_keys import Effect, KeyReport
from keymgr.policy.plan_objects import Action, ObjectChange
from keymgr.policy.read import ReadPolicy

_NOT_FITTING = (Effect.BREAKS, Effect.UNKNOWN, Effect.STILL_BREAKS, Effect.STILL_UNKNOWN)
_ANY = 0


@dataclass(frozen=True, slots=True)
class Trip:
    """A guard that stops the change: how many of what, the limit, and the acknowledgement that excuses it, if any."""

    guard: ChangeGuard
    value: int
    limit: int
    items: tuple[str, ...]
    excused_by: Ack | None = None


@dataclass(frozen=True, slots=True)
class GuardReport:
    """Every guard that trips, and what became of each acknowledgement; without keys nobody judges what they lose."""

    trips: tuple[Trip, ...]
    acks: tuple[AckResult, ...]
    keys_judged: bool

    @property
    def blocking(self) -> tuple[Trip, ...]:
        """The guards that nobody has acknowledged."""
        return tuple(trip for trip in self.trips if trip.excused_by is None)


@dataclass(frozen=True, slots=True)
class Change:
    """A change between two policies with everything that guards look at."""

    base: ReadPolicy
    head: ReadPolicy
    objects: tuple[ObjectChange, ...]
    cells: tuple[CellChange, ...]
    keys: KeyReport | None


def judge(change: Change, now: int, spent: Collection[str] = frozenset()) -> GuardReport:
    """Return which guards the change trips at `now`; `spent` holds the digests of acknowledgements used before."""
    before, after = guards_of(change.base.documents), guards_of(change.head.documents)
    guards = stricter(before, after)
    trips = tuple(_trips(change, guards, before, after))
    results: list[AckResult] = []
    excused: dict[ChangeGuard, Ack] = {}
    for ack in acks_in(change.head.documents):
        value = next((trip.value for trip in trips if trip.guard is ack.spec.guard), None)
        state = state_of(ack, value, base_digest=change.base.policy.digest, now=now, spent=spent)
        results.append(AckResult(ack, state))
        if state is AckState.EXCUSES:
            excused.setdefault(ack.spec.guard, ack)
    judged = tuple(replace(trip, excused_by=excused.get(trip.guard)) for trip in trips)
    return GuardReport(judged, tuple(results), keys_judged=change.keys is not None)


def _trips(change: Change, guards: Guards, before: Guards, after: Guards) -> Iterator[Trip]:
    always: Mapping[ChangeGuard, Callable[[Change], Iterable[str]]] = {
        ChangeGuard.GUARDRAIL_REMOVED: _guardrails_removed,
        ChangeGuard.GUARDRAIL_LOOSENED: _guardrails_loosened,
        ChangeGuard.PROD_SCOPE_WIDENED: _prod_widened,
        ChangeGuard.ADMIN_CHANGED: _admins_changed,
    }
    found: dict[ChangeGuard, Iterable[str]] = {
        guard: items(change) for guard, items in always.items() if guard in guards.always_ack
    }
    found[ChangeGuard.GUARDS_LOOSENED] = loosened(before, after)
    found[ChangeGuard.GOES_TO_ZERO] = _gone_to_zero(change)
    found[ChangeGuard.PROTECTED_OBJECT_CHANGED] = _protected(change)
    found[ChangeGuard.REQUIRED_ADMINS] = _missing_admins(change, guards, before)
    for guard, items in found.items():
        listed = tuple(items)
        if listed:
            yield Trip(guard, len(listed), _ANY, listed)
    yield from _too_few_admins(change, guards, before)
    yield from _too_many(change, guards)


def _too_many(change: Change, guards: Guards) -> Iterator[Trip]:
    pruned = tuple(str(each) for each in change.objects if each.action is Action.REMOVED)
    total = len([each for each in change.base.documents if each.kind not in {"ChangeAck", "PolicyTest"}])
    yield from _over(ChangeGuard.MAX_OBJECTS_PRUNED, guards.max_objects_pruned, pruned, total, guards)
    if change.keys is not None:
        losing = tuple(impact.key.id for impact in change.keys.of(Effect.BREAKS, Effect.UNKNOWN))
        limit = guards.max_keys_losing_access
        yield from _over(ChangeGuard.MAX_KEYS_LOSING_ACCESS, limit, losing, change.keys.checked, guards)


def _over(
    guard: ChangeGuard, threshold: Threshold | None, items: tuple[str, ...], total: int, guards: Guards
) -> Iterator[Trip]:
    limit = Threshold(_ANY, 100) if guard in guards.always_ack else threshold
    if limit is not None and limit.is_over(len(items), total):
        yield Trip(guard, len(items), limit.most(total), items)


def _guardrails_removed(change: Change) -> Iterator[str]:
    yield from (str(each) for each in change.objects if (each.kind, each.action) == ("Guardrail", Action.REMOVED))


def _guardrails_loosened(change: Change) -> Iterator[str]:
    before, after = change.base.policy.guardrails, change.head.policy.guardrails
    for each in change.objects:
        old = before.get(each.previous_name or each.name)
        if each.kind == "Guardrail" and old is not None and each.name in after and is_looser(old, after[each.name]):
            yield str(each)


def _prod_widened(change: Change) -> Iterator[str]:
    tiers = (change.base.policy.environments, change.head.policy.environments)
    for each in change.cells:
        cell = each.cell
        if each.widens and any(cell.environment in tier and tier[cell.environment].tier is Tier.PROD for tier in tiers):
            yield f"{cell.subject} / {cell.kind} {cell.service} {cell.scope} {cell.environment}"


def _admins(policy: Policy) -> tuple[frozenset[str], frozenset[str]]:
    """Return the people whom the policy names as portal admins, and the identity-provider groups whose people are."""
    roles = [role for role in policy.roles.values() if PortalPermission.ADMIN in role.portal]
    bound: list[Role | Team] = [*roles, *(policy.teams[name] for role in roles for name in role.teams)]
    members = frozenset(name for each in bound for name in each.members)
    return members, frozenset(name for each in bound for name in each.idp_groups)


def _admins_changed(change: Change) -> Iterator[str]:
    (people, groups), (now_people, now_groups) = _admins(change.base.policy), _admins(change.head.policy)
    yield from (f"{name} becomes an admin" for name in sorted(now_people - people))
    yield from (f"{name} is an admin no more" for name in sorted(people - now_people))
    yield from (f"the people of group {name} become admins" for name in sorted(now_groups - groups))
    yield from (f"the people of group {name} are admins no more" for name in sorted(groups - now_groups))


def _missing_admins(change: Change, guards: Guards, before: Guards) -> Iterator[str]:
    """Yield required admins who stop being one, or who are required now and are none; not who never was."""
    old, new = _admins(change.base.policy)[0], _admins(change.head.policy)[0]
    missing = guards.required_admins - new
    yield from sorted(name for name in missing if name in old or name not in before.required_admins)


def _too_few_admins(change: Change, guards: Guards, before: Guards) -> Iterator[Trip]:
    """Yield when this change leaves too few named admins; a group may add any number, so it is not counted."""
    (old, old_groups), (new, groups) = _admins(change.base.policy), _admins(change.head.policy)
    worse = len(new) < len(old) or bool(old_groups - groups) or guards.min_portal_admins > before.min_portal_admins
    if worse and not groups and len(new) < guards.min_portal_admins:
        missing = guards.min_portal_admins - len(new)
        yield Trip(ChangeGuard.MIN_PORTAL_ADMINS, missing, guards.min_portal_admins, tuple(sorted(new)))


def _gone_to_zero(change: Change) -> Iterator[str]:
    if any(_admins(change.base.policy)) and not any(_admins(change.head.policy)):
        yield "portal admins"
    served = {rule.service for rule in change.base.policy.rules.values()}
    left = {rule.service for rule in change.head.policy.rules.values()}
    renamed = {each.previous_name: each.name for each in change.objects if each.kind == "Service"}
    yield from (f"rules of the service {name}" for name in sorted(served) if renamed.get(name, name) not in left)
    if change.keys is None:
        return
    losing = {team for impact in change.keys.of(Effect.BREAKS, Effect.UNKNOWN) for team in impact.key.asker.teams}
    for team in sorted(losing):
        broken = sum(team in impact.key.asker.teams for impact in change.keys.of(*_NOT_FITTING))
        if broken == change.keys.checked_by_team[team]:
            yield f"live keys of the team {team}"


def _protected(change: Change) -> Iterator[str]:
    return (str(each) for each in change.objects if each.protected and each.action is not Action.TOUCHED)


def ack_document(trip: Trip, base_digest: str) -> Mapping[str, object]:
    """Return the `spec` of the acknowledgement that would excuse a guard, but for its end and reason."""
    return {"guard": trip.guard.value, "max": trip.value, "base": base_digest}
