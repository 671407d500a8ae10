"""What a change of a default, a bundle, a service or an approval does to rules and guardrails that were not touched."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from keymgr.policy import plan_words as words
from keymgr.policy.documents import Document
from keymgr.policy.granting import ExistingKeys
from keymgr.policy.model import Guardrail, Policy, Rule
from keymgr.policy.plan_fields import FieldChange
from keymgr.policy.plan_objects import Action, Identity, ObjectChange
from keymgr.policy.words import Source


@dataclass(frozen=True, slots=True)
class _Effect:
    """One thing a rule takes from elsewhere: its path in the rule, its value, its words, and where it may come from."""

    path: str
    value: Callable[[Any], Any]
    written: Callable[[Any], str]
    origins: tuple[tuple[str, str], ...]


def ripples(
    base: Policy,
    head: Policy,
    documents: Mapping[Identity, Document],
    changes: tuple[ObjectChange, ...],
) -> tuple[ObjectChange, ...]:
    """Return `changes` with every rule and guardrail that a changed object reaches; `documents` are those of head."""
    own = {change.identity: change for change in changes}
    reached = dict(own)
    former = {change.identity: change.previous_name for change in changes if change.action is Action.RENAMED}
    sides: tuple[tuple[str, Mapping[str, Any], Mapping[str, Any], tuple[_Effect, ...]], ...] = (
        ("IssuanceRule", base.rules, head.rules, _OF_RULES),
        ("Guardrail", base.guardrails, head.guardrails, _OF_GUARDRAILS),
    )
    for kind, before, after, effects in sides:
        for name in sorted(after):
            old = before.get(former.get((kind, name)) or name)
            if old is not None:
                _reach(
                    reached, (kind, name), tuple(_told(old, after[name], effects, own, documents)), after[name].source
                )
    return tuple(sorted(reached.values(), key=lambda each: (each.kind, each.name, each.action)))


def _reach(
    reached: dict[Identity, ObjectChange], identity: Identity, fields: tuple[FieldChange, ...], source: Source
) -> None:
    if not fields:
        return
    change = reached.get(identity) or ObjectChange(Action.TOUCHED, *identity, source)
    reached[identity] = replace(change, changes=(*change.changes, *fields))


def _told(
    old: Rule | Guardrail,
    new: Rule | Guardrail,
    effects: tuple[_Effect, ...],
    own: Mapping[Identity, ObjectChange],
    documents: Mapping[Identity, Document],
) -> Iterator[FieldChange]:
    written = own.get(("IssuanceRule" if isinstance(new, Rule) else "Guardrail", new.name))
    for effect in effects:
        before, after = effect.value(old), effect.value(new)
        if before == after or (written is not None and _is_own(written, effect.path)):
            continue
        origin = next((found for found in _origins(effect, new, own, documents)), None)
        if origin is not None:
            document, place = origin
            yield FieldChange(
                path=effect.path,
                before=effect.written(before),
                after=effect.written(after),
                source=document.marks.get(place, document.source),
                via=f"{document.kind}/{document.name}",
            )


def _is_own(change: ObjectChange, path: str) -> bool:
    """Tell whether the rule's own document says it, as bundle, service or scopes for what is granted."""
    part = "spec.grants" if path.startswith("spec.grants") else path
    return any(each.path == part or each.path.startswith(f"{part}.") for each in change.changes)


def _origins(
    effect: _Effect, new: Rule | Guardrail, own: Mapping[Identity, ObjectChange], documents: Mapping[Identity, Document]
) -> Iterator[tuple[Document, str]]:
    """Yield the changed objects that the value may come from, with the field of theirs that says it."""
    for kind, place in effect.origins:
        for identity, document in documents.items():
            if identity[0] == kind and identity in own and identity[1] in _referred(kind, new, documents):
                yield document, place


def _referred(kind: str, new: Rule | Guardrail, documents: Mapping[Identity, Document]) -> set[str]:
    """Return the names of that kind that a rule refers to; there is only one PolicySet, and all refer to it."""
    if kind == "PolicySet" or isinstance(new, Guardrail):
        return {name for (known, name) in documents if known == "PolicySet"}
    bundle = documents[("IssuanceRule", new.name)].data["spec"]["grants"].get("bundle")
    return {"ApprovalPolicy": {new.approval.name}, "ScopeBundle": {bundle}, "Service": {new.service}}[kind]


def _default(field: str, value: Callable[[Rule], Any], written: Callable[[Any], str]) -> _Effect:
    return _Effect(f"spec.limits.{field}", value, written, (("PolicySet", f"spec.defaults.{field}"),))


def _existing(keys: ExistingKeys) -> str:
    told = f", told to {words.names(keys.notify)}" if keys.notify else ""
    return f"{keys.on_violation} after {words.duration(keys.grace_seconds)}{told}"


_EXISTING_KEYS = _Effect(
    "spec.existing_keys", lambda each: each.existing_keys, _existing, (("PolicySet", "spec.existing_keys"),)
)
_OF_GUARDRAILS = (_EXISTING_KEYS,)
_OF_RULES = (
    _default("max_ttl", lambda rule: rule.limits.max_ttl_seconds, words.duration),
    _default("default_ttl", lambda rule: rule.limits.default_ttl_seconds, words.duration),
    _default("rotate_every", lambda rule: rule.limits.rotate_every_seconds, words.duration),
    _default("rotation_overlap", lambda rule: rule.limits.rotation_overlap_seconds, words.duration),
    _default("max_keys_per_owner", lambda rule: rule.limits.max_keys_per_owner, words.number),
    _default("idle_expiry", lambda rule: rule.limits.idle_expiry_seconds, words.duration),
    _default("rate_limits", lambda rule: rule.limits.rate_limits, words.windows),
    _default("owner_rate_limits", lambda rule: rule.limits.owner_rate_limits, words.windows),
    _default("quota", lambda rule: rule.limits.quota, words.window),
    _default("allowed_cidrs", lambda rule: rule.limits.cidrs, words.cidr_rule),
    _default("token", lambda rule: rule.limits.token, words.text),
    _Effect(
        "spec.grants.scopes",
        lambda rule: rule.scopes,
        words.names,
        (("ScopeBundle", "spec.scopes"), ("Service", "spec.scopes")),
    ),
    _Effect("spec.approval", lambda rule: rule.approval.steps, words.steps, (("ApprovalPolicy", "spec.steps"),)),
    _EXISTING_KEYS,
    _Effect("spec.on_owner_exit", lambda rule: rule.on_owner_exit, words.text, (("PolicySet", "spec.on_owner_exit"),)),
)
