"""The names of one policy set in the schemas, so that an editor completes services, scopes and teams."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from keymgr.policy.documents import Document, typed
from keymgr.policy.documents_approvals import NO_APPROVAL
from keymgr.policy.documents_rules import EVERY_SCOPE
from keymgr.policy.documents_services import ServiceDocument
from keymgr.policy.documents_set import PolicySetDocument
from keymgr.policy.mentions import Noun

_FIELDS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "AppliesToPart": {
            "services": Noun.SERVICE,
            "environments": Noun.ENVIRONMENT,
            "teams": Noun.TEAM,
            "scopes": Noun.SCOPE,
        },
        "ApproversPart": {"teams": Noun.TEAM, "roles": Noun.ROLE},
        "GrantsPart": {
            "service": Noun.SERVICE,
            "environments": Noun.ENVIRONMENT,
            "scopes": Noun.SCOPE,
            "except": Noun.SCOPE,
            "bundle": Noun.SCOPE_BUNDLE,
        },
        "HoldersPart": {"teams": Noun.TEAM, "roles": Noun.ROLE},
        "InvariantPart": {"service": Noun.SERVICE, "environments": Noun.ENVIRONMENT, "scopes": Noun.SCOPE},
        "IssuanceRuleSpec": {"approval": Noun.APPROVAL_POLICY},
        "Metadata": {"owner": Noun.TEAM},
        "OwnerFixture": {"teams": Noun.TEAM, "roles": Noun.ROLE},
        "RoleSpec": {"teams": Noun.TEAM},
        "ScopeBundleSpec": {"service": Noun.SERVICE, "scopes": Noun.SCOPE},
        "ServiceSpec": {"environments": Noun.ENVIRONMENT},
        "SubjectsPart": {"teams": Noun.TEAM, "roles": Noun.ROLE},
        "UnownedMetadata": {"owner": Noun.TEAM},
        "WaiverSpec": {"guardrail": Noun.GUARDRAIL},
        "WaiverSubjectPart": {"service": Noun.SERVICE, "environments": Noun.ENVIRONMENT},
    }
)
_BESIDES = {("GrantsPart", "scopes"): EVERY_SCOPE, ("IssuanceRuleSpec", "approval"): NO_APPROVAL}


@dataclass(frozen=True, slots=True)
class Names:
    """The names of a set by what they name."""

    by_noun: Mapping[str, tuple[str, ...]]


def names_of(documents: Iterable[Document]) -> Names:
    """Return every name that the documents declare."""
    found: dict[str, set[str]] = {}
    for document in documents:
        found.setdefault(document.kind, set()).add(document.name)
        model = typed(document)
        if isinstance(model, ServiceDocument):
            found.setdefault(Noun.SCOPE, set()).update(scope.name for scope in model.spec.scopes)
        if isinstance(model, PolicySetDocument):
            found.setdefault(Noun.ENVIRONMENT, set()).update(each.name for each in model.spec.environments)
    return Names({noun: tuple(sorted(names)) for noun, names in found.items()})


def with_names(definitions: dict[str, Any], names: Names) -> dict[str, Any]:
    """Return the definitions with the names of the set as the only words of the fields that mention them."""
    for part, fields in _FIELDS.items():
        for field, noun in fields.items():
            besides = _BESIDES.get((part, field))
            words = [*names.by_noun.get(noun, ()), *([besides] if besides else [])]
            if words:
                schema = definitions[part]["properties"][field]
                _close(schema["items"] if schema.get("type") == "array" else schema, words)
    return definitions


def _close(schema: dict[str, Any], words: list[str]) -> None:
    """Let a schema accept these words only."""
    schema.pop("pattern", None)
    schema.pop("examples", None)
    schema["enum"] = words
