"""What is asked in a what-if, read from an address or a form: as whom, for what, and what is known about the asking."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict

from keymgr.people.whois import PERSON_PREFIX, Visitor, asker_of_owner, owners_of
from keymgr.policy.facts import FACTS, FactType
from keymgr.policy.model import Asker, Evidence, FactValue, OwnerKind, Policy, Wish
from keymgr.policy.wording import span
from keymgr.web.forms import Problem, one_line
from keymgr.web.policy_keys import oversees

ME, PERSON, GROUP = "me", "person", "group"
FACT_NAMES = tuple(name for name in FACTS if name.startswith("issuance."))
_NOBODY = "There is nobody of this name, or you may not ask about them. Name yourself or one of your service accounts."
_LIFETIME_MAX = 100 * 365 * 86_400
_LIFETIMES = tuple(days * 86_400 for days in (1, 7, 14, 30, 90, 180, 365))
_NAMES_MAX, _TEXT_MAX = 64, 500
_ANYBODY = {OwnerKind.USER: "user:somebody", OwnerKind.SERVICE_ACCOUNT: "svc:the service account"}


@dataclass(frozen=True, slots=True)
class Asked:
    """What the form holds, names not yet checked; `facts` are the texts as typed, by the name of the fact."""

    who: str
    person: str
    teams: tuple[str, ...]
    roles: tuple[str, ...]
    kind: OwnerKind
    service: str
    environment: str
    scopes: tuple[str, ...]
    lifetime: str
    cidrs: str
    facts: Mapping[str, str]
    against: str

    @property
    def is_enough(self) -> bool:
        """Whether the policy can be asked already."""
        return bool(self.service and self.environment and self.scopes)

    @property
    def wish(self) -> Wish:
        """What is asked for, in the policy's terms."""
        networks = tuple(self.cidrs.replace(",", " ").split())
        return Wish(self.service, self.environment, frozenset(self.scopes), self.ttl_seconds, networks)

    @property
    def ttl_seconds(self) -> int | None:
        """The lifetime, None for the rule's own or for what is no number."""
        number = int(self.lifetime) if self.lifetime.isascii() and self.lifetime.isdigit() else 0
        return number if 0 < number <= _LIFETIME_MAX else None

    @property
    def fields(self) -> list[tuple[str, str]]:
        """Everything as fields of a form, so that another form can carry it on."""
        lists = (("team", self.teams), ("role", self.roles), ("scope", self.scopes))
        single = (
            ("as", self.who),
            ("person", self.person),
            ("kind", self.kind.value),
            ("service", self.service),
            ("environment", self.environment),
            ("lifetime", self.lifetime),
            ("cidrs", self.cidrs),
            *((f"fact.{name}", text) for name, text in self.facts.items()),
        )
        return [
            *((name, each) for name, each in single if each),
            *((name, one) for name, ones in lists for one in ones),
        ]


def read_asked(values: MultiDict[str, str], policy: Policy) -> Asked:
    """Read what was sent; the first environment of the service is taken where none fits."""
    service = policy.services.get(_text(values, "service"))
    environment = _text(values, "environment")
    if service is not None and environment not in service.environments:
        environment = service.environments[0]
    who, kind = _text(values, "as"), _text(values, "kind")
    return Asked(
        who=who if who in {PERSON, GROUP} else ME,
        person=_text(values, "person"),
        teams=tuple(name for name in _list(values, "team") if name in policy.teams),
        roles=tuple(name for name in _list(values, "role") if name in policy.roles),
        kind=OwnerKind(kind) if kind in set(OwnerKind) else OwnerKind.USER,
        service="" if service is None else service.name,
        environment=environment if service is not None else "",
        scopes=tuple(name for name in _list(values, "scope") if service is not None and name in service.scopes),
        lifetime=_text(values, "lifetime"),
        cidrs=_text(values, "cidrs"),
        facts={name: text for name in FACT_NAMES if (text := _text(values, f"fact.{name}"))},
        against=_text(values, "against"),
    )


def problems_of(asked: Asked) -> tuple[Problem, ...]:
    """Return what was typed and cannot be read."""
    if asked.lifetime and asked.ttl_seconds is None:
        return (Problem("lifetime", "Choose a lifetime from the list."),)
    return ()


def asker_of(session: Session, asked: Asked, visitor: Visitor, policy: Policy) -> Asker | Problem:
    """Return as whom the question is asked; only overseers may name people who are not themselves."""
    if asked.who == ME:
        return asker_of_owner(session, visitor.asker.id, policy) or visitor.asker
    if asked.who == GROUP:
        teams = frozenset(asked.teams)
        bound = {role.name for role in policy.roles.values() if role.teams & teams}
        return Asker(_ANYBODY[asked.kind], asked.kind, teams, frozenset(asked.roles) | bound)
    owner = asked.person if ":" in asked.person else PERSON_PREFIX + asked.person.casefold()
    may_ask = oversees(visitor) or owner in owners_of(visitor)
    found = asker_of_owner(session, owner, policy) if may_ask else None
    return Problem("person", _NOBODY) if found is None else found


def evidence_of(asked: Asked, *, address: str | None) -> Evidence:
    """Return what is known about the asking; `address` is the visitor's own, where they ask for themselves."""
    known: dict[str, FactValue] = {}
    if address is not None:
        known |= {"issuance.mfa": False, "issuance.source_ip": address}
    known |= {name: _value(name, text) for name, text in asked.facts.items()}
    return Evidence(known)


def lifetimes(asked: Asked) -> list[tuple[str, str]]:
    """Offer round lifetimes, and the one that was asked for."""
    offered = {*_LIFETIMES, *([asked.ttl_seconds] if asked.ttl_seconds else [])}
    return [("", "The usual lifetime of the rule"), *((str(each), span(each)) for each in sorted(offered))]


def _value(name: str, text: str) -> FactValue:
    match FACTS[name].type:
        case FactType.FLAG:
            return text == "yes"
        case FactType.TEXTS:
            return tuple(text.replace(",", " ").split())
        case _:
            return text


def _text(values: MultiDict[str, str], name: str) -> str:
    return one_line(values.get(name, ""))[:_TEXT_MAX]


def _list(values: MultiDict[str, str], name: str) -> list[str]:
    return list(dict.fromkeys(values.getlist(name)[:_NAMES_MAX]))
