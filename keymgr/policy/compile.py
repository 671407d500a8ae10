"""Makes one `Policy` of all documents, or says everything that does not fit together."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from keymgr.policy.build import approval, environments, existing_keys, guardrail, role, service, team, waiver
from keymgr.policy.build_rule import rule
from keymgr.policy.dead_rules import dead_promises
from keymgr.policy.digest import digest
from keymgr.policy.documents import AnyDocument, Document
from keymgr.policy.documents_guardrails import WaiverDocument
from keymgr.policy.documents_limits import ExistingKeysPart
from keymgr.policy.documents_rules import IssuanceRuleDocument
from keymgr.policy.documents_set import PolicySetDocument
from keymgr.policy.index import Index, Written, index
from keymgr.policy.limits import limit_problems_of_rule, limit_problems_of_set
from keymgr.policy.model import Policy, Rule
from keymgr.policy.problems import Problem, Problems, at
from keymgr.policy.references import dangling, reference_problems

WAIVER_DAYS_MAX = 90


def compile_policy(documents: Iterable[Document], *, now: datetime | None = None) -> Policy | Problems:
    """Return the policy, or every problem of the documents together.

    With `now` a waiver that ends too far ahead is a problem as well. Leave it out for what has been applied already,
    because stored policy must never stop compiling as time goes by.
    """
    policy, problems = check(documents, whole=True, now=now)
    return problems or policy


def check(documents: Iterable[Document], *, whole: bool, now: datetime | None) -> tuple[Policy, Problems]:
    """Return as much of a policy as fits together beside all problems; without problems it is the whole policy.

    `whole` is False where some documents could not be read; then a name that is not found is not told.
    """
    found, problems = index(documents, whole=whole)
    told = [*problems]
    for written in found.all:
        told.extend(reference_problems(written, found))
        told.extend(_own_problems(written, found, now))
    policy = _build(found)
    told.extend(dead_promises(policy))
    return policy, tuple(sorted(told))


def _own_problems(written: Written[AnyDocument], found: Index, now: datetime | None) -> Iterator[Problem]:
    """Yield what one document gets wrong although all its names exist."""
    model, document = written.model, written.document
    if isinstance(model, PolicySetDocument):
        yield from limit_problems_of_set(Written(document, model))
    if isinstance(model, IssuanceRuleDocument) and found.policy_set is not None:
        yield from limit_problems_of_rule(Written(document, model), found.policy_set.model.spec.defaults)
    if isinstance(model, WaiverDocument):
        yield from _waiver_problems(Written(document, model), found, now)


def _waiver_problems(written: Written[WaiverDocument], found: Index, now: datetime | None) -> Iterator[Problem]:
    spec = written.model.spec
    waived = found.guardrails.get(spec.guardrail)
    if waived is not None and not waived.model.spec.waivable:
        message = f"the guardrail {spec.guardrail} is not waivable"
        yield at(written.place("spec", "guardrail"), "E313", message, "write waivable: true there, or drop the waiver")
    if now is not None and spec.expires_at > (now + timedelta(days=WAIVER_DAYS_MAX)).timestamp():
        message = f"the waiver ends more than {WAIVER_DAYS_MAX} days from now"
        yield at(written.place("spec", "expires_at"), "E314", message, "write an earlier end and renew it by review")


def _build(found: Index) -> Policy:
    default = existing_keys(found.policy_set.model.spec.existing_keys if found.policy_set else ExistingKeysPart())
    rules = _rules(found)
    return Policy(
        name=found.policy_set.name if found.policy_set else "",
        digest=digest(each.model for each in found.all),
        environments=environments(found.policy_set) if found.policy_set else {},
        teams={name: team(written) for name, written in found.teams.items()},
        roles={name: role(written) for name, written in found.roles.items()},
        services={name: service(written) for name, written in found.services.items()},
        approvals={name: approval(written) for name, written in found.approvals.items()},
        rules=rules,
        guardrails={name: guardrail(written, default) for name, written in found.guardrails.items()},
        waivers={name: waiver(written) for name, written in found.waivers.items()},
        rules_by_target=_by_target(rules.values()),
        existing_keys=default,
    )


def _rules(found: Index) -> dict[str, Rule]:
    """Return the rules all of whose names lead somewhere."""
    if found.policy_set is None:
        return {}
    defaults = found.policy_set.model.spec
    return {
        name: rule(written, found, defaults) for name, written in found.rules.items() if not dangling(written, found)
    }


def _by_target(rules: Iterable[Rule]) -> dict[tuple[str, str], tuple[Rule, ...]]:
    targets: dict[tuple[str, str], list[Rule]] = {}
    for each in rules:
        for environment in sorted(each.environments):
            targets.setdefault((each.service, environment), []).append(each)
    return {target: tuple(found) for target, found in sorted(targets.items())}
