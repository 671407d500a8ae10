"""Warnings about what is declared and leads nowhere: services, scopes, guardrails and objects that nothing uses."""

from collections.abc import Iterator

from keymgr.policy.documents import AnyDocument
from keymgr.policy.documents_guardrails import GuardrailDocument
from keymgr.policy.documents_services import ScopePart, ServiceDocument
from keymgr.policy.index import Written
from keymgr.policy.lint_codes import Finding, Subject, found
from keymgr.policy.mentions import Noun, mentions
from keymgr.policy.model import Risk
from keymgr.policy.reach import can_be_asked, can_meet, reach_of

_USES = {
    "ApprovalPolicy": (Noun.APPROVAL_POLICY, "name it as the approval of a rule, or remove it"),
    "Role": (Noun.ROLE, "name it in a rule or an approval step, or remove it"),
    "ScopeBundle": (Noun.SCOPE_BUNDLE, "grant it in a rule, or remove it"),
    "Team": (Noun.TEAM, "name it in a rule, a role or an approval step, or remove it"),
}


def name_findings(subject: Subject) -> Iterator[Finding]:
    """Yield the warnings about services, guardrails, and objects that nothing mentions."""
    for service in subject.index.services.values():
        yield from _service(service, subject)
    reaches = [reach_of(rule, subject.policy) for rule in subject.policy.rules.values()]
    for name, written in subject.index.guardrails.items():
        guardrail = subject.policy.guardrails[name]
        # A denial is there for what no rule gives yet; a limit is there for what some rule gives.
        walls = guardrail.deny_reason is not None and can_be_asked(guardrail, subject.policy)
        if not walls and not any(can_meet(guardrail, reach) for reach in reaches):
            yield _never_met(written)
    yield from _unused(subject)


def _service(written: Written[ServiceDocument], subject: Subject) -> Iterator[Finding]:
    granted = [rule.scopes for rule in subject.policy.rules.values() if rule.service == written.name]
    if not granted:
        message = f"no rule grants anything of the service {written.name}"
        yield found("W405", written, message, "write a rule, or remove the service", "metadata", "name")
        return
    reached = frozenset().union(*granted)
    for number, scope in enumerate(written.model.spec.scopes):
        if scope.name not in reached:
            message = f"no rule grants the scope {scope.name}"
            yield found("W404", written, message, "grant it in a rule, or remove it", "spec", "scopes", number, "name")
        if scope.risk is Risk.CRITICAL and _says_nothing(scope):
            message = f"the description of the critical scope {scope.name} only repeats its name"
            remedy = "say what the scope lets a key do"
            yield found("W411", written, message, remedy, "spec", "scopes", number, "description")


def _says_nothing(scope: ScopePart) -> bool:
    told, name = (
        "".join(letter for letter in text.casefold() if letter.isalnum()) for text in (scope.description, scope.name)
    )
    return told == name


def _never_met(written: Written[GuardrailDocument]) -> Finding:
    message = "no rule gives anything that this guardrail looks at"
    return found("W410", written, message, "widen applies_to, or remove the guardrail", "spec", "applies_to")


def _unused(subject: Subject) -> Iterator[Finding]:
    used = {mention for written in subject.index.all for mention in _used_by(written)}
    for written in subject.index.all:
        kind = written.document.kind
        noun, remedy = _USES.get(kind, (None, ""))
        spared = kind == "Role" and subject.policy.roles[written.name].portal
        if noun is not None and (noun, written.name) not in used and not spared:
            yield found("W406", written, f"nothing uses the {noun} {written.name}", remedy, "metadata", "name")
    policy_set = subject.index.policy_set
    for number, name in enumerate(subject.policy.environments):
        if policy_set is not None and (Noun.ENVIRONMENT, name) not in used:
            message, remedy = f"no service runs in the environment {name}", "name it in a service, or remove it"
            yield found("W406", policy_set, message, remedy, "spec", "environments", number, "name")


def _used_by(written: Written[AnyDocument]) -> Iterator[tuple[Noun, str]]:
    """Yield what a document uses: not itself, not for a test alone, and environments only where something runs."""
    if written.document.kind == "PolicyTest":
        return
    for mention in mentions(written.model):
        own = mention.name == written.name and written.document.kind == mention.noun
        idle = mention.noun is Noun.ENVIRONMENT and not isinstance(written.model, ServiceDocument)
        if not (own or idle):
            yield mention.noun, mention.name
