"""Who can be behind a team, a role, a rule or an approval step, as far as the policy itself can tell."""

from collections.abc import Iterable
from dataclasses import dataclass

from keymgr.policy.model import ApprovalStep, OwnerKind, Policy, Rule


@dataclass(frozen=True, slots=True)
class People:
    """People by name; `more` means that an identity provider may add others, so that nothing can be counted."""

    named: frozenset[str] = frozenset()
    more: bool = False

    @property
    def any(self) -> bool:
        """Whether there can be anybody at all."""
        return self.more or bool(self.named)

    def __or__(self, other: "People") -> "People":
        return People(self.named | other.named, self.more or other.more)

    def __and__(self, other: "People") -> "People":
        both = self.named & other.named
        if self.more:
            both |= other.named
        if other.more:
            both |= self.named
        return People(both, self.more and other.more)


_ANYBODY = People(more=True)


def in_teams(teams: Iterable[str], policy: Policy) -> People:
    """Return who is in at least one of the teams."""
    together = People()
    for name in teams:
        team = policy.teams[name]
        together |= People(team.members, bool(team.idp_groups))
    return together


def with_roles(roles: Iterable[str], policy: Policy) -> People:
    """Return who has at least one of the roles, by name, by team or by the identity provider."""
    together = People()
    for name in roles:
        role = policy.roles[name]
        together |= People(role.members, bool(role.idp_groups)) | in_teams(role.teams, policy)
    return together


def approvers(step: ApprovalStep, policy: Policy) -> People:
    """Return who may approve a step."""
    return in_teams(step.teams, policy) | with_roles(step.roles, policy)


def owners(rule: Rule, policy: Policy) -> People:
    """Return the people who may hold a key of their own by the rule."""
    if OwnerKind.USER not in rule.owner_kinds:
        return People()
    found = _ANYBODY
    if rule.teams:
        found &= in_teams(rule.teams, policy)
    if rule.roles:
        found &= with_roles(rule.roles, policy)
    return found


def keepers(rule: Rule, policy: Policy) -> People:
    """Return the people who may ask for a service account by the rule.

    An account has one team and the roles of that team, and somebody in the team has to ask for it.
    """
    if OwnerKind.SERVICE_ACCOUNT not in rule.owner_kinds:
        return People()
    teams = rule.teams or frozenset(policy.teams)
    if rule.roles:
        teams &= frozenset(team for role in rule.roles for team in policy.roles[role].teams)
    return in_teams(teams, policy)
