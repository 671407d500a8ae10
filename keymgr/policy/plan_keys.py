"""The third part of a plan: how every live key stands before and after, and what follows for those that do not fit."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from keymgr.policy.existing import LiveKey, Standing, Verdict, standing_of
from keymgr.policy.model import Policy, Rule

_FITS = frozenset({Verdict.OK, Verdict.OK_BY_ANOTHER_RULE, Verdict.EXEMPT})
_MOVING_FACTS = frozenset({"key.age", "key.last_used_days"})


class Effect(StrEnum):
    """What a change does to one live key."""

    BREAKS = "breaks"
    UNKNOWN = "unknown"
    STILL_BREAKS = "still_breaks"
    STILL_UNKNOWN = "still_unknown"
    MOVES = "moves"
    EXEMPT = "exempt"
    MENDED = "mended"
    UNTOUCHED = "untouched"


LOSING = frozenset({Effect.BREAKS, Effect.UNKNOWN})
"""The effects that take something away: the key fitted before, and does not, or cannot be shown to, afterwards."""


@dataclass(frozen=True, slots=True)
class KeyImpact:
    """One live key with its verdict before (None without a base) and after; `due_at` is when the action follows."""

    key: LiveKey
    before: Standing | None
    after: Standing
    effect: Effect
    due_at: int | None = None

    @property
    def team(self) -> str:
        """The teams of the owner, in words."""
        return ", ".join(sorted(self.key.asker.teams)) or "no team"


@dataclass(frozen=True, slots=True)
class KeyReport:
    """Every key that changes or does not fit, those used most recently first; the untouched are only counted."""

    checked: int
    counts: Mapping[Effect, int]
    impacts: tuple[KeyImpact, ...]
    checked_by_team: Mapping[str, int]

    def of(self, *effects: Effect) -> tuple[KeyImpact, ...]:
        """Return the keys with one of these effects."""
        return tuple(impact for impact in self.impacts if impact.effect in effects)

    @property
    def losing(self) -> int:
        """How many keys fitted before and no longer do, or can no longer be shown to."""
        return sum(self.counts.get(effect, 0) for effect in LOSING)


def key_impact(
    keys: Iterable[LiveKey],
    before: Policy | None,
    after: Policy,
    now: int,
    renames: Mapping[str, str] | None = None,
) -> KeyReport:
    """Judge every live key by both policies; `renames` maps former names of rules to their new ones."""
    judge = _Judge(before, after, now, renames or {})
    counts: Counter[Effect] = Counter()
    teams: Counter[str] = Counter()
    impacts = []
    for key in keys:
        impact = judge.impact(key)
        counts[impact.effect] += 1
        teams.update(key.asker.teams)
        if impact.effect is not Effect.UNTOUCHED:
            impacts.append(impact)
    impacts.sort(key=lambda each: (list(Effect).index(each.effect), -(each.key.last_used_at or 0), each.key.id))
    return KeyReport(counts.total(), dict(counts), tuple(impacts), dict(teams))


class _Judge:
    """Two policies side by side, with what they say of keys that are alike remembered."""

    def __init__(self, before: Policy | None, after: Policy, now: int, renames: Mapping[str, str]) -> None:
        self.before, self.after, self.now, self.renames = before, after, now, renames
        self.same: dict[tuple[str, str], bool] = {}
        self.known: dict[tuple[object, ...], tuple[Standing | None, Standing]] = {}
        self.facts_asked: dict[str, frozenset[str]] = {}
        self.waived = bool(after.waivers or (before and before.waivers))

    def impact(self, key: LiveKey) -> KeyImpact:
        before, after = self._standings(key)
        effect = _effect(before, after)
        grace = after.grace_seconds if effect in LOSING else None
        return KeyImpact(key, before, after, effect, None if grace is None else self.now + grace)

    def _standings(self, key: LiveKey) -> tuple[Standing | None, Standing]:
        """Return both verdicts; keys that fit say nothing of their owner, so one verdict counts for all alike."""
        alike = self._alike(key)
        found = self.known.get(alike)
        if found is not None:
            return found
        before, after = judged = self._judged(key)
        if alike and after.verdict is Verdict.OK and (before is None or before.verdict is Verdict.OK):
            self.known[alike] = judged
        return judged

    def _judged(self, key: LiveKey) -> tuple[Standing | None, Standing]:
        then = replace(key, asker=key.asker_before) if key.asker_before else key
        before = None if self.before is None else standing_of(self.before, then, self.now)
        if before is not None and then.asker == key.asker and self._is_same(key):
            return before, before
        name = self.renames.get(key.rule or "", key.rule)
        renamed = key if name == key.rule else replace(key, rule=name)
        return before, standing_of(self.after, renamed, self.now)

    def _is_same(self, key: LiveKey) -> bool:
        """Tell whether nothing that speaks of such a key has changed, so that one verdict counts for both sides."""
        target = (key.service, key.rule or "")
        if target not in self.same:
            rules = self._slices(key.service, key.rule or "")
            self.same[target] = rules[0] == rules[1]
        return self.same[target]

    def _slices(self, service: str, rule: str) -> list[object]:
        return [
            policy
            and (
                policy.services.get(service),
                policy.environments,
                policy.guardrails,
                policy.waivers,
                policy.existing_keys,
                policy.rules.get(rule),
                _rules_of(policy, service),
            )
            for policy in (self.before, self.after)
        ]

    def _alike(self, key: LiveKey) -> tuple[object, ...]:
        """Return what the verdict depends on, nothing for a key that time or a waiver may change."""
        asked = self._facts_asked(key.service)
        if asked & _MOVING_FACTS or self.waived:
            return ()
        facts = tuple((fact, key.facts.get(fact)) for fact in sorted(asked))
        lifetime = key.expires_at - key.issued_at
        askers = (key.asker, key.asker_before or key.asker)
        who = tuple((asker.kind, asker.teams, asker.roles, asker.active) for asker in askers)
        return (who, key.service, key.environment, key.scopes, key.cidrs, lifetime, facts, key.rule)

    def _facts_asked(self, service: str) -> frozenset[str]:
        if service not in self.facts_asked:
            rules = [rule for each in (self.before, self.after) if each for rule in _rules_of(each, service)]
            self.facts_asked[service] = frozenset(each.fact for rule in rules for each in rule.conditions)
        return self.facts_asked[service]


def _rules_of(policy: Policy, service: str) -> tuple[Rule, ...]:
    offered = policy.services.get(service)
    environments = offered.environments if offered else ()
    return tuple(rule for each in environments for rule in policy.rules_by_target.get((service, each), ()))


def _effect(before: Standing | None, after: Standing) -> Effect:
    fitted = before is None or before.verdict in _FITS
    if after.verdict is Verdict.VIOLATES:
        return Effect.STILL_BREAKS if before and before.verdict is Verdict.VIOLATES else Effect.BREAKS
    if after.verdict is Verdict.UNKNOWN:
        return Effect.UNKNOWN if fitted else Effect.STILL_UNKNOWN
    if not fitted:
        return Effect.MENDED
    if after.verdict is Verdict.EXEMPT:
        return Effect.EXEMPT
    return Effect.UNTOUCHED if before is None or before.rule == after.rule else Effect.MOVES
