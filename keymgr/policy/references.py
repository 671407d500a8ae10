"""Whether every name that a document mentions leads to something."""

from collections.abc import Collection, Iterator, Mapping

from keymgr.policy.documents import AnyDocument
from keymgr.policy.documents_rules import IssuanceRuleDocument
from keymgr.policy.documents_services import ServiceSpec
from keymgr.policy.documents_tests import PolicyTestDocument
from keymgr.policy.index import Index, Written
from keymgr.policy.mentions import Mention, Noun, mentions
from keymgr.policy.problems import Problem, at, nearest

_FIXTURES = (Noun.FIXTURE_OWNER, Noun.FIXTURE_REQUEST)
_CODES = {
    Noun.ENVIRONMENT: "E303",
    Noun.FIXTURE_OWNER: "E316",
    Noun.FIXTURE_REQUEST: "E316",
    Noun.SCOPE: "E302",
}


def dangling(written: Written[AnyDocument], index: Index) -> tuple[Mention, ...]:
    """Return the mentions of one document that lead nowhere."""
    every = (*mentions(written.model), *_environments_of_rule(written, index))
    return tuple(mention for mention in every if mention.name not in _known(mention, written, index))


def reference_problems(written: Written[AnyDocument], index: Index) -> Iterator[Problem]:
    """Yield a problem for each name that leads nowhere, and for each former name that is still in use."""
    for mention in dangling(written, index):
        if _can_tell(mention, index):
            remedy = nearest(mention.name, _known(mention, written, index))
            yield at(written.place(*mention.path), _code(mention), _message(mention), remedy)
    names = {each.name for each in index.all if each.document.kind == written.document.kind}
    for number, former in enumerate(written.model.metadata.previously):
        if former in names:
            message = f"{written.document.kind} {former} still exists, so it is not a former name"
            yield at(written.place("metadata", "previously", number), "E317", message, "remove one of the two")


def _environments_of_rule(written: Written[AnyDocument], index: Index) -> Iterator[Mention]:
    """Yield the environments of a rule, which belong to its service or to the service of its bundle."""
    if isinstance(written.model, IssuanceRuleDocument):
        grants = written.model.spec.grants
        bundle = index.bundles.get(grants.bundle or "")
        service = grants.service or (bundle.model.spec.service if bundle else None)
        for number, name in enumerate(grants.environments):
            yield Mention(Noun.ENVIRONMENT, name, ("spec", "grants", "environments", number), service)


def _code(mention: Mention) -> str:
    return _CODES.get(mention.noun, "E301")


def _message(mention: Mention) -> str:
    if mention.service is not None:
        return f'the service {mention.service} has no {mention.noun} "{mention.name}"'
    where = " in the fixtures" if mention.noun in _FIXTURES else ""
    return f'there is no {mention.noun} "{mention.name}"{where}'


def _can_tell(mention: Mention, index: Index) -> bool:
    """Tell whether the name is certain to be wrong, and not only out of sight because of another problem."""
    if mention.noun in _FIXTURES:
        return True
    if mention.service is not None:
        return mention.service in index.services
    if mention.noun is Noun.ENVIRONMENT:
        return index.policy_set is not None
    return index.whole


def _known(mention: Mention, written: Written[AnyDocument], index: Index) -> Collection[str]:
    """Return the names that are valid for the mention."""
    if isinstance(written.model, PolicyTestDocument) and mention.noun in _FIXTURES:
        fixtures = written.model.spec.fixtures
        return fixtures.owners if mention.noun is Noun.FIXTURE_OWNER else fixtures.requests
    if mention.noun is Noun.ENVIRONMENT and mention.service is None:
        return [each.name for each in index.policy_set.model.spec.environments] if index.policy_set else ()
    if mention.noun is Noun.ENVIRONMENT:
        return [name for each in _services(mention, index) for name in each.environments]
    if mention.noun is Noun.SCOPE:
        return [scope.name for each in _services(mention, index) for scope in each.scopes]
    objects: Mapping[Noun, Collection[str]] = {
        Noun.APPROVAL_POLICY: index.approvals,
        Noun.GUARDRAIL: index.guardrails,
        Noun.ROLE: index.roles,
        Noun.SCOPE_BUNDLE: index.bundles,
        Noun.SERVICE: index.services,
        Noun.TEAM: index.teams,
    }
    return objects[mention.noun]


def _services(mention: Mention, index: Index) -> tuple[ServiceSpec, ...]:
    """Return the service a mention belongs to, every service where it may belong to any."""
    return tuple(
        service.model.spec
        for name, service in index.services.items()
        if mention.service is None or name == mention.service
    )
