"""Every document of a set by kind and name, typed, with the problems of finding it twice or not at all."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import ValidationError

from keymgr.policy.documents import AnyDocument, Document, typed
from keymgr.policy.documents_approvals import ApprovalPolicyDocument
from keymgr.policy.documents_guardrails import GuardrailDocument, WaiverDocument
from keymgr.policy.documents_people import RoleDocument, TeamDocument
from keymgr.policy.documents_rules import IssuanceRuleDocument
from keymgr.policy.documents_services import ScopeBundleDocument, ServiceDocument
from keymgr.policy.documents_set import PolicySetDocument
from keymgr.policy.load import shape_of
from keymgr.policy.model import Source
from keymgr.policy.problems import Problem, Problems, at

Model = TypeVar("Model", bound=AnyDocument)
Model_co = TypeVar("Model_co", bound=AnyDocument, covariant=True)


@dataclass(frozen=True, slots=True)
class Written(Generic[Model_co]):
    """A document beside its typed model."""

    document: Document
    model: Model_co

    @property
    def name(self) -> str:
        """Return the object's name."""
        return self.document.name

    def place(self, *path: str | int) -> Source:
        """Return where the field at `path` stands, the document's own place where it is left out."""
        return self.document.marks.get(".".join(str(part) for part in path), self.document.source)


@dataclass(frozen=True, slots=True)
class Index:
    """The documents of a set. `whole` is False where some could not be read, so that a missing name may be there."""

    all: tuple[Written[AnyDocument], ...]
    policy_set: Written[PolicySetDocument] | None
    teams: Mapping[str, Written[TeamDocument]]
    roles: Mapping[str, Written[RoleDocument]]
    services: Mapping[str, Written[ServiceDocument]]
    bundles: Mapping[str, Written[ScopeBundleDocument]]
    approvals: Mapping[str, Written[ApprovalPolicyDocument]]
    rules: Mapping[str, Written[IssuanceRuleDocument]]
    guardrails: Mapping[str, Written[GuardrailDocument]]
    waivers: Mapping[str, Written[WaiverDocument]]
    whole: bool


def index(documents: Iterable[Document], *, whole: bool) -> tuple[Index, Problems]:
    """Return the index and the problems of building it: wrong shapes, one name twice, not exactly one PolicySet."""
    problems: list[Problem] = []
    first: dict[tuple[str, str], Written[AnyDocument]] = {}
    for document in documents:
        try:
            written = Written(document, typed(document))
        except (ValidationError, KeyError):
            # Only a snapshot of another version gets here: `load` lets no other shape through.
            problems.extend(shape_of(document))
            continue
        known = first.setdefault((document.kind, document.name), written)
        if known is not written:
            problems.append(_twice(known, written))
    everything = tuple(first.values())
    sets = list(_of(everything, PolicySetDocument).values())
    problems.extend(_one_set(sets, documents_seen=bool(everything), whole=whole))
    return (
        Index(
            all=everything,
            policy_set=sets[0] if sets else None,
            teams=_of(everything, TeamDocument),
            roles=_of(everything, RoleDocument),
            services=_of(everything, ServiceDocument),
            bundles=_of(everything, ScopeBundleDocument),
            approvals=_of(everything, ApprovalPolicyDocument),
            rules=_of(everything, IssuanceRuleDocument),
            guardrails=_of(everything, GuardrailDocument),
            waivers=_of(everything, WaiverDocument),
            whole=whole,
        ),
        tuple(problems),
    )


def _of(everything: Iterable[Written[AnyDocument]], model: type[Model]) -> Mapping[str, Written[Model]]:
    """Return the documents of one kind by name, in the order of names."""
    found = {}
    for each in sorted(everything, key=lambda each: each.name):
        candidate = each.model
        if isinstance(candidate, model):
            found[each.name] = Written(each.document, candidate)
    return found


def _twice(known: Written[AnyDocument], written: Written[AnyDocument]) -> Problem:
    document = written.document
    message = f"{document.kind} {document.name} is already written at {known.document.source}"
    return at(written.place("metadata", "name"), "E304", message, "rename or remove one of the two")


def _one_set(sets: list[Written[PolicySetDocument]], *, documents_seen: bool, whole: bool) -> Iterator[Problem]:
    for extra in sets[1:]:
        message = f"there is already a PolicySet, at {sets[0].document.source}"
        yield at(extra.document.source, "E306", message, "keep one PolicySet")
    if not sets and whole:
        message = "there is no PolicySet" if documents_seen else "there is no document at all"
        yield Problem("E306", ".", 1, 1, message, "write one document of kind PolicySet")
