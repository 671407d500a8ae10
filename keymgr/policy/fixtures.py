"""Turns the fixtures of a policy test into the values that the engine judges."""

from dataclasses import dataclass
from datetime import UTC, datetime

from keymgr.policy.documents_tests import CasePart, FixturesPart, KeyFixture, RequestFixture
from keymgr.policy.durations import write_duration
from keymgr.policy.existing import LiveKey
from keymgr.policy.facts import OwnerStatus
from keymgr.policy.fields import Part
from keymgr.policy.model import Asker, Evidence, OwnerKind, Policy, Wish
from keymgr.policy.wording import did_you_mean


@dataclass(frozen=True, slots=True)
class UnknownFixture:
    """A case names what is not there; `sentence` says what and what there is."""

    sentence: str


def asker_of(name: str, fixtures: FixturesPart, policy: Policy) -> Asker | UnknownFixture:
    """Return the owner as the portal would see it: with the roles written, and those bound to the owner's teams."""
    owner = fixtures.owners.get(name)
    if owner is None:
        return UnknownFixture(f"There is no owner {name} in the fixtures. {did_you_mean(name, fixtures.owners)}")
    for kind, names, known in (("team", owner.teams, policy.teams), ("role", owner.roles, policy.roles)):
        unknown = [each for each in names if each not in known]
        if unknown:
            there = did_you_mean(unknown[0], known)
            return UnknownFixture(f"The owner {name} has the {kind} {unknown[0]}, which is not declared. {there}")
    teams = frozenset(owner.teams)
    bound = frozenset(role.name for role in policy.roles.values() if role.teams & teams)
    prefix = "user" if owner.kind is OwnerKind.USER else "svc"
    active = owner.status is OwnerStatus.ACTIVE
    return Asker(f"{prefix}:{name}", owner.kind, teams, bound.union(owner.roles), active)


def request_of(case: CasePart, fixtures: FixturesPart) -> RequestFixture | UnknownFixture:
    """Return the case's request, each field that `with` writes replaced as a whole."""
    request = fixtures.requests.get(case.request)
    if request is None:
        there = did_you_mean(case.request, fixtures.requests)
        return UnknownFixture(f"There is no request {case.request} in the fixtures. {there}")
    changed = {field: getattr(case.changed, field) for field in case.changed.model_fields_set}
    return request.model_copy(update=changed)


def wish_of(request: RequestFixture) -> tuple[Wish, Evidence]:
    """Split a request into what is asked for and what is known about the asking."""
    wish = Wish(request.service, request.environment, frozenset(request.scopes), request.ttl, request.cidrs)
    return wish, Evidence(request.facts, request.keys_held)


def live_key_of(key: KeyFixture, owner: Asker) -> LiveKey:
    """Return a live key of this owner as it would have been stored."""
    return LiveKey(
        asker=owner,
        service=key.service,
        environment=key.environment,
        scopes=frozenset(key.scopes),
        cidrs=key.cidrs,
        issued_at=key.issued_at,
        expires_at=key.expires_at,
        facts=key.facts,
        rule=key.rule,
        last_used_at=key.last_used_at,
    )


def written(owner: str, fixture: Part) -> str:
    """Write out a request or key in full, so that a failure shows what was judged."""
    fields = [f"{field} {_plain(field, value)}" for field, value in fixture if value and field != "owner"]
    return ", ".join([f"owner {owner}", *fields]) + "."


def _plain(field: str, value: object) -> str:
    if isinstance(value, int):
        if field == "ttl":
            return write_duration(value)
        return datetime.fromtimestamp(value, UTC).isoformat() if field.endswith("_at") else str(value)
    if isinstance(value, tuple):
        return "[" + ", ".join(str(entry) for entry in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {entry}" for key, entry in sorted(value.items())) + "}"
    return str(value)
