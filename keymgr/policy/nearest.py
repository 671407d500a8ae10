"""When no rule accepts: which rule came nearest, and the sentence that helps most."""

from collections.abc import Iterable

from keymgr.policy.case import Case
from keymgr.policy.decision import Near, Reason, Unmet
from keymgr.policy.model import Rule
from keymgr.policy.wording import all_of, shown

_WHERE_AND_WHO = frozenset({Reason.RULE_ENVIRONMENT, Reason.RULE_SCOPE, Reason.RULE_TEAM})


def in_order_of_nearness(nears: Iterable[Near], case: Case) -> tuple[Near, ...]:
    """Sort rules: first those made for this asker and target, then by how little they miss, then by name.

    Of rules that miss the same number, one for the wished environment is nearer, then one for the asker's team, then
    the one with more of the wished scopes.
    """
    return tuple(sorted(nears, key=lambda near: _distance(near, case)))


def why_none(considered: tuple[Near, ...], case: Case) -> tuple[Unmet, ...]:
    """Return the reasons of a refusal by rules, given every rule of the service, nearest first."""
    if not considered:
        owner = f"Ask the team {case.service.owner} for one." if case.service.owner else "Ask its owner for one."
        sentence = f"No rule gives anybody a key for {case.service.name} yet. {owner}"
        return (Unmet(Reason.NO_RULE, sentence, case.service.source),)
    together = _rules_that_share(considered, case)
    if together:
        return (_more_than_one_key(together, case),)
    nearest = considered[0]
    if not _speaks_of_this(nearest):
        names = all_of(shown(scope.name) for scope in case.scopes)
        sentence = f"No rule gives {case.voice.subject} {names} on {case.target}. The nearest is {nearest.rule.name}."
        return (Unmet(Reason.NO_RULE, sentence, nearest.rule.source),)
    return nearest.unmet


def _distance(near: Near, case: Case) -> tuple[bool, int, bool, bool, int, str]:
    rule, missed = near.rule, {unmet.reason for unmet in near.unmet}
    for_others = not rule.teams and Reason.RULE_ROLE in missed
    return (
        for_others or not _speaks_of_this(near),
        len(near.unmet),
        Reason.RULE_ENVIRONMENT in missed,
        Reason.RULE_TEAM in missed,
        -len(rule.scopes & case.wish.scopes),
        rule.name,
    )


def _speaks_of_this(near: Near) -> bool:
    return _WHERE_AND_WHO.isdisjoint(unmet.reason for unmet in near.unmet)


def _rules_that_share(considered: tuple[Near, ...], case: Case) -> tuple[tuple[Rule, frozenset[str]], ...]:
    """Return the fewest rules that would give the scopes between them, each with its part; nothing when they cannot."""
    willing = [near.rule for near in considered if all(unmet.reason is Reason.RULE_SCOPE for unmet in near.unmet)]
    missing = case.wish.scopes
    parts: list[tuple[Rule, frozenset[str]]] = []
    while missing:
        best = max(willing, key=lambda rule: len(rule.scopes & missing), default=None)
        if best is None or not best.scopes & missing:
            return ()
        parts.append((best, best.scopes & missing))
        missing -= best.scopes
    return tuple(parts)


def _more_than_one_key(parts: tuple[tuple[Rule, frozenset[str]], ...], case: Case) -> Unmet:
    given = all_of(f"{all_of(sorted(scopes))} by the rule {rule.name}" for rule, scopes in parts)
    sentence = f"No one rule gives all of this on {case.target}: {given}. Ask for {len(parts)} keys."
    return Unmet(Reason.NO_RULE, sentence, parts[0][0].source)
