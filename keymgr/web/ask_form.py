"""The ask form as a value: what was filled in so far, what could be chosen, and what is still wrong with it."""

from dataclasses import dataclass
from datetime import datetime

from werkzeug.datastructures import MultiDict
from wtforms import IntegerField, SelectMultipleField, StringField
from wtforms.validators import DataRequired, Length, Optional

from keymgr.keys.order import JUSTIFICATION_LENGTH_MAX, NAME_LENGTH_MAX
from keymgr.policy.model import Asker, Evidence, Policy, Scope, Service, Wish
from keymgr.policy.wording import span
from keymgr.web.forms import Form, Problem, one_line, tidy, whole
from keymgr.web.wording import until

_DAY = 86_400
_LIFETIMES = (_DAY, 7 * _DAY, 30 * _DAY, 90 * _DAY, 180 * _DAY, 365 * _DAY)
_LIFETIME_MAX = 100 * 365 * _DAY
_REVISION_MAX = 2**31
_READING = frozenset({"read", "list", "view"})
_FEW_SCOPES = 6
_MANY_SCOPES = 12
_LONG = "At most {} characters fit here."


class AskForm(Form):
    """What is typed; whether it may be had is the policy's to say, not this form's."""

    name = StringField(
        filters=[one_line],
        validators=[
            DataRequired("Give the key a name: what will use it."),
            Length(max=NAME_LENGTH_MAX, message=_LONG.format(NAME_LENGTH_MAX)),
        ],
    )
    owner = StringField(filters=[tidy])
    service = StringField(filters=[tidy], validators=[DataRequired("Choose a service.")])
    environment = StringField(filters=[tidy], validators=[DataRequired("Choose an environment.")])
    scope = SelectMultipleField(validate_choice=False, validators=[DataRequired("Choose at least one scope.")])
    lifetime = IntegerField(validators=[Optional(), whole(_LIFETIME_MAX, "Choose a lifetime from the list.")])
    cidrs = StringField(filters=[tidy], validators=[Length(max=4000, message=_LONG.format("4,000"))])
    ticket = StringField(filters=[tidy], validators=[Length(max=100, message=_LONG.format(100))])
    justification = StringField(
        filters=[tidy], validators=[Length(max=JUSTIFICATION_LENGTH_MAX, message=_LONG.format("2,000"))]
    )
    revision = IntegerField(validators=[Optional(), whole(_REVISION_MAX, "Load the page again and send it once more.")])
    nonce = StringField(validators=[Length(max=64)])
    shown = StringField()
    only = StringField(filters=[tidy])
    pick = StringField()


@dataclass(frozen=True, slots=True)
class Draft:
    """What the form holds; texts as typed, names not yet checked; `shown` is what its choices were drawn for."""

    name: str
    owner: str
    service: str
    environment: str
    scopes: tuple[str, ...]
    ttl_seconds: int | None
    cidrs: tuple[str, ...]
    ticket: str
    justification: str
    revision: int | None
    nonce: str
    shown: str
    problems: tuple[Problem, ...]

    @property
    def wish(self) -> Wish:
        """What is asked for, in the policy's terms."""
        return Wish(self.service, self.environment, frozenset(self.scopes), self.ttl_seconds, self.cidrs)

    @property
    def is_enough(self) -> bool:
        """Whether the policy can be asked already."""
        return bool(self.service and self.environment and self.scopes)

    def evidence(self, *, address: str) -> Evidence:
        """Return what is known about this wish now; there is no second factor yet, so none was used."""
        facts: dict[str, str | int | bool | tuple[str, ...]] = {"issuance.mfa": False, "issuance.source_ip": address}
        if self.justification:
            facts["issuance.reason"] = self.justification
        if self.ticket:
            facts["issuance.ticket"] = self.ticket
        return Evidence(facts)


@dataclass(frozen=True, slots=True)
class Lifetime:
    """One lifetime to choose; `value` is what the form sends, empty for what the rule gives by itself."""

    value: str
    words: str
    about: str


@dataclass(frozen=True, slots=True)
class Group:
    """Scopes of one resource, the part of the name before the colon; without a name where there are few."""

    resource: str
    scopes: tuple[Scope, ...]


@dataclass(frozen=True, slots=True)
class Choices:
    """What the form offers: services a rule gives the owner something of first, and the chosen service's parts.

    `reading` are the scopes that only read. `shown` names all that the choices depend on: where it is the same, the
    same would be drawn again.
    """

    likely: tuple[Service, ...]
    others: tuple[Service, ...]
    service: Service | None
    groups: tuple[Group, ...]
    reading: frozenset[str]
    lifetimes: tuple[Lifetime, ...]
    longest: str
    shown: str

    @property
    def is_searched(self) -> bool:
        """Whether there are so many scopes that a search among them helps."""
        return sum(len(group.scopes) for group in self.groups) > _MANY_SCOPES


def read_draft(values: MultiDict[str, str], *, me: str, policy: Policy) -> Draft:
    """Read what was sent; `me` owns the key unless another is named, and the first environment is chosen."""
    form = AskForm(values)
    form.validate()
    service = policy.services.get(form.service.data or "")
    environment = form.environment.data or (service.environments[0] if service else "")
    return Draft(
        name=form.name.data or "",
        owner=form.owner.data or me,
        service=form.service.data or "",
        environment=environment,
        scopes=_scopes(form, service),
        ttl_seconds=None if form.lifetime.errors else form.lifetime.data,
        cidrs=tuple((form.cidrs.data or "").replace(",", " ").split()),
        ticket=form.ticket.data or "",
        justification=form.justification.data or "",
        revision=form.revision.data,
        nonce=form.nonce.data or "",
        shown=form.shown.data or "",
        problems=_to_mend(form, environment),
    )


def _to_mend(form: AskForm, environment: str) -> tuple[Problem, ...]:
    """Return what is wrong with fields that are on the page: environment and scopes follow the service."""
    silent = {"environment"} if environment else set()
    if form.service.errors:
        silent = {"environment", "scope"}
    return tuple(problem for problem in form.problems() if problem.field not in silent)


def _scopes(form: AskForm, service: Service | None) -> tuple[str, ...]:
    """Return the scopes that were ticked: of them `only` those a button named, or all that only read if it asked so."""
    if form.pick.data == "reading" and service is not None:
        return tuple(name for name in service.scopes if _only_reads(name))
    only = (form.only.data or "").split()
    return tuple(name for name in form.scope.data or () if not only or name in only)


def _only_reads(scope: str) -> bool:
    return scope.rsplit(":", 1)[-1] in _READING


def choices_of(policy: Policy, asker: Asker, draft: Draft, now: datetime) -> Choices:
    """Return what may be chosen for this owner and the service chosen so far."""
    spoken_of = {
        rule.service
        for rule in policy.rules.values()
        if asker.kind in rule.owner_kinds
        and (not rule.teams or rule.teams & asker.teams)
        and (not rule.roles or rule.roles & asker.roles)
    }
    services = sorted(policy.services.values(), key=lambda service: service.name)
    chosen = policy.services.get(draft.service)
    rules = policy.rules_by_target.get((draft.service, draft.environment), ())
    longest = max((rule.limits.max_ttl_seconds for rule in rules), default=None)
    return Choices(
        likely=tuple(service for service in services if service.name in spoken_of),
        others=tuple(service for service in services if service.name not in spoken_of),
        service=chosen,
        groups=_groups(tuple(chosen.scopes.values())) if chosen else (),
        reading=frozenset(name for name in chosen.scopes if _only_reads(name)) if chosen else frozenset(),
        lifetimes=_lifetimes(draft, longest or _LIFETIMES[2], now),
        longest=span(longest) if longest else "",
        shown=f"{policy.digest} {draft.owner} {draft.service} {draft.environment}",
    )


def _groups(scopes: tuple[Scope, ...]) -> tuple[Group, ...]:
    """Put scopes of one resource together, in the order of the policy."""
    if len(scopes) <= _FEW_SCOPES:
        return (Group("", scopes),)
    resources = dict.fromkeys(scope.name.split(":", 1)[0] for scope in scopes)
    return tuple(
        Group(resource, tuple(scope for scope in scopes if scope.name.split(":", 1)[0] == resource))
        for resource in resources
    )


def _lifetimes(draft: Draft, longest: int, now: datetime) -> tuple[Lifetime, ...]:
    """Offer round lifetimes up to the longest, that longest one, and the one that was asked for."""
    offered = {seconds for seconds in _LIFETIMES if seconds < longest} | {longest}
    if draft.ttl_seconds is not None and draft.ttl_seconds > 0:
        offered.add(draft.ttl_seconds)
    named = [Lifetime(str(seconds), span(seconds), f"until {until(now, seconds)}") for seconds in sorted(offered)]
    return (Lifetime("", "The usual", "as the rule says"), *named)
