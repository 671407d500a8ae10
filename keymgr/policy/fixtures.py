"""Turns the fixtures of a policy test into the values that the engine judges."""

from datetime import UTC, datetime

from keymgr.policy.documents_tests import CasePart, FixturesPart, KeyFixture, RequestFixture
from keymgr.policy.durations import write_duration
from keymgr.policy.existing import LiveKey
from keymgr.policy.facts import OwnerStatus
from keymgr.policy.fields import Part
from keymgr.policy.model import Asker, Evidence, OwnerKind, Policy, Wish


def asker_of(name: str, fixtures: FixturesPart, policy: Policy) -> Asker:
    """Return the owner as the portal would see it: with the roles written, and those bound to the owner's teams."""
    owner = fixtures.owners[name]
    teams = frozenset(owner.teams)
    bound = frozenset(role.name for role in policy.roles.values() if role.teams & teams)
    prefix = "user" if owner.kind is OwnerKind.USER else "svc"
    active = owner.status is OwnerStatus.ACTIVE
    return Asker(f"{prefix}:{name}", owner.kind, teams, bound.union(owner.roles), active)


def request_of(case: CasePart, fixtures: FixturesPart) -> RequestFixture:
    """Return the case's request, each field that `with` writes replaced as a whole."""
    changed = {field: getattr(case.changed, field) for field in case.changed.model_fields_set}
    return fixtures.requests[case.request].model_copy(update=changed)


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
