"""What a revision did, in words: objects and fields, capabilities, people and keys."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from keymgr.policy.matrix_subjects import named_people
from keymgr.policy.model import Policy
from keymgr.policy.plan_capabilities import CapabilityChange, Delta
from keymgr.policy.plan_fields import FieldChange
from keymgr.policy.plan_keys import Effect, KeyReport
from keymgr.policy.plan_objects import Action, ObjectChange
from keymgr.policy.wording import all_of, count
from keymgr.web.forge import Forge, Place

_MINUS = "\N{MINUS SIGN}"
_SIGNS = {Action.ADDED: "+", Action.REMOVED: _MINUS, Action.RENAMED: "→", Action.CHANGED: "~", Action.TOUCHED: "~"}
_ACTIONS = {
    Action.ADDED: "added",
    Action.REMOVED: "removed",
    Action.RENAMED: "renamed",
    Action.CHANGED: "changed",
    Action.TOUCHED: "touched by another change",
}
_WORDS = {Delta.GAINED: "gained", Delta.LOST: "lost"}
_KINDS = {"user": "people", "service_account": "service accounts"}
EFFECTS = {
    Effect.BREAKS: "out of policy since",
    Effect.UNKNOWN: "cannot be judged since",
    Effect.STILL_BREAKS: "was out of policy before",
    Effect.STILL_UNKNOWN: "could not be judged before",
    Effect.MOVES: "kept by another rule",
    Effect.EXEMPT: "exempt for now",
    Effect.MENDED: "fits again",
}


@dataclass(frozen=True, slots=True)
class FieldLine:
    """One field with both values; `via` names the object whose change reached it."""

    path: str
    before: str
    after: str
    via: str
    place: Place


@dataclass(frozen=True, slots=True)
class ObjectLine:
    """One object with what happened to it."""

    sign: str
    action: str
    kind: str
    name: str
    previous: str | None
    place: Place
    fields: tuple[FieldLine, ...]


@dataclass(frozen=True, slots=True)
class CapabilityLine:
    """Cells that changed alike, in one sentence; `people` are those whom the policy names."""

    word: str
    widens: bool
    sentence: str
    limits: tuple[tuple[str, str, str], ...]
    cause: str
    place: Place
    risk: str
    people: tuple[str, ...]


def summary_words(summary: Mapping[str, Any]) -> str:
    """Write the stored summary of a revision, such as `+2 rules, ~1 team, -0`."""
    parts = []
    for word, sign in (("added", "+"), ("changed", "~"), ("removed", _MINUS)):
        counted = summary.get(word) or {}
        kinds = all_of(_counted(int(number), kind) for kind, number in sorted(counted.items()))
        parts.append(f"{sign}{kinds or '0'}")
    return "   ".join(parts)


def object_line(change: ObjectChange, forge: Forge, before: Forge) -> ObjectLine:
    """Write out one object; a removed one is linked to where it was."""
    where = before if change.action is Action.REMOVED else forge
    fields = tuple(_field(each, where) for each in change.changes)
    return ObjectLine(
        _SIGNS[change.action],
        _ACTIONS[change.action],
        change.kind,
        change.name,
        change.previous_name,
        where.place(change.source),
        fields,
    )


def capability_line(
    change: CapabilityChange, forge: Forge, before: Forge, policies: tuple[Policy | None, Policy]
) -> CapabilityLine:
    """Write out one change of who can hold what."""
    word = _WORDS.get(change.delta, "widened" if change.widens else "on other terms")
    kinds = all_of(_KINDS[kind] for kind in change.kinds)
    scopes = all_of(name for name, _ in change.scopes)
    sentence = f"{change.subject} ({kinds}): {scopes} on {change.service} in {all_of(change.environments)}"
    limits = tuple((each.term.replace("_", " "), each.before, each.after) for each in change.limits)
    where = before if change.cause.removed else forge
    people: set[str] = set()
    if "user" in change.kinds:
        people.update(*(named_people(change.subject, policy) for policy in policies if policy is not None))
    place = where.place(change.cause.source)
    return CapabilityLine(
        word, change.widens, sentence, limits, str(change.cause), place, change.risk.value, tuple(sorted(people))
    )


def key_counts(report: KeyReport) -> str:
    """Write how many keys were touched, and how."""
    found = [f"{report.counts[effect]} {words}" for effect, words in EFFECTS.items() if report.counts.get(effect)]
    untouched = report.counts.get(Effect.UNTOUCHED, 0)
    return f"{all_of([*found, f'{untouched} untouched'])}."


def people_of(lines: Iterable[CapabilityLine]) -> tuple[str, ...]:
    """Return everybody the lines name."""
    return tuple(sorted({name for line in lines for name in line.people}))


def _field(change: FieldChange, forge: Forge) -> FieldLine:
    path = change.path.removeprefix("spec.")
    before, after = change.before, change.after
    if isinstance(before, list) and isinstance(after, list):
        gone, come = [each for each in before if each not in after], [each for each in after if each not in before]
        if gone or come:
            before, after = gone or None, come or None
    return FieldLine(path, _shown(before), _shown(after), change.via or "", forge.place(change.source))


def _shown(value: Any) -> str:  # noqa: ANN401 - whatever a policy file can hold.
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ", ".join(_shown(each) for each in value)
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_shown(each)}" for key, each in value.items())
    return str(value)


def _counted(number: int, kind: str) -> str:
    """Count objects of a kind with the noun people use, such as `2 approval policies` for ApprovalPolicy."""
    noun = "".join(f" {each.lower()}" if each.isupper() else each for each in kind).strip()
    return f"{number} {noun[:-1]}ies" if number != 1 and noun.endswith("y") else count(number, noun)
