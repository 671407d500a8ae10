"""Every kind of policy document with its model, and one loaded document as a value."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from keymgr.policy.documents_approvals import ApprovalPolicyDocument
from keymgr.policy.documents_guardrails import GuardrailDocument, WaiverDocument
from keymgr.policy.documents_people import RoleDocument, TeamDocument
from keymgr.policy.documents_rules import IssuanceRuleDocument
from keymgr.policy.documents_services import ScopeBundleDocument, ServiceDocument
from keymgr.policy.documents_set import ChangeAckDocument, PolicySetDocument
from keymgr.policy.documents_tests import PolicyTestDocument
from keymgr.policy.model import Source

AnyDocument = (
    PolicySetDocument
    | RoleDocument
    | TeamDocument
    | ServiceDocument
    | ScopeBundleDocument
    | ApprovalPolicyDocument
    | IssuanceRuleDocument
    | GuardrailDocument
    | WaiverDocument
    | ChangeAckDocument
    | PolicyTestDocument
)

KINDS: Mapping[str, type[AnyDocument]] = MappingProxyType(
    {
        "PolicySet": PolicySetDocument,
        "Role": RoleDocument,
        "Team": TeamDocument,
        "Service": ServiceDocument,
        "ScopeBundle": ScopeBundleDocument,
        "ApprovalPolicy": ApprovalPolicyDocument,
        "IssuanceRule": IssuanceRuleDocument,
        "Guardrail": GuardrailDocument,
        "Waiver": WaiverDocument,
        "ChangeAck": ChangeAckDocument,
        "PolicyTest": PolicyTestDocument,
    }
)


@dataclass(frozen=True, slots=True)
class Document:
    """One document as it is written: `data` is all of it as plain values that JSON can carry.

    `marks` maps dotted paths such as `spec.limits.max_ttl` or `spec.grants.scopes.0` to where the value stands.
    """

    kind: str
    name: str
    source: Source
    marks: Mapping[str, Source]
    data: dict[str, Any]


def typed(document: Document) -> AnyDocument:
    """Return the document as its kind's model; raises pydantic's `ValidationError` where the data has another shape.

    Validation goes through JSON, where strict models still take a text for an enumeration and a list for a tuple.
    """
    return KINDS[document.kind].model_validate_json(json.dumps(document.data))
