"""`keymgr policy explain`: why a wish is allowed or not, offline by a folder, or by what is in force."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import click

from keymgr.cli.plan_review import clean
from keymgr.cli.policy import format_option, read_all, refuse
from keymgr.cli.policy_answer import (
    DENIED,
    asked_as_json,
    asked_in_words,
    exit_code_of,
    explanation_as_json,
    explanation_lines,
)
from keymgr.cli.policy_report import say_json
from keymgr.policy.decision import Explanation
from keymgr.policy.durations import BadDurationError, parse_duration
from keymgr.policy.explain import explain as explain_wish
from keymgr.policy.facts import FACTS, FactType
from keymgr.policy.model import Asker, Evidence, FactValue, OwnerKind, Policy, Wish
from keymgr.policy.problems import nearest
from keymgr.policy.read import ReadPolicy

_ISSUANCE = "issuance."


def _ttl(_context: click.Context, _parameter: click.Parameter, value: str | None) -> int | None:
    try:
        return None if value is None else parse_duration(value)
    except BadDurationError as error:
        raise click.BadParameter(f"{error}; {error.remedy}") from error


def _facts(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, FactValue]:
    """Return facts by name; what is known from elsewhere cannot be told here."""
    known = {name: fact.type for name, fact in FACTS.items() if name.startswith(_ISSUANCE)}
    found: dict[str, FactValue] = {}
    for text in values:
        name, _, value = text.partition("=")
        if name not in known:
            raise click.BadParameter(f"{name} is no fact of an issuance; {nearest(name, known)}")
        found[name] = _fact(known[name], value)
    return found


def _fact(kind: FactType, value: str) -> FactValue:
    if kind is FactType.FLAG:
        if value not in ("true", "false"):
            raise click.BadParameter(f"{value} is neither true nor false.")
        return value == "true"
    return tuple(value.split(",")) if kind is FactType.TEXTS else value


_OPTIONS = (
    click.option("--owner", metavar="NAME", help="Whose key it would be: user:NAME, svc:NAME, or just the name."),
    click.option(
        "--key", "key_id", metavar="ID", help="A live key instead of a wish: why it was given, how it stands."
    ),
    click.option("--policies", "folder", metavar="DIR", help="Judge by this folder, without server or database."),
    click.option("--as-team", "teams", metavar="TEAM", multiple=True, help="With --policies: a team of the owner's."),
    click.option("--as-role", "roles", metavar="ROLE", multiple=True, help="With --policies: a role of the owner's."),
    click.option("--owner-kind", type=click.Choice([kind.value for kind in OwnerKind]), help="With --policies."),
    click.option("--service", metavar="NAME", help="What the key is for."),
    click.option("--env", "environment", metavar="NAME", help="In which environment."),
    click.option("--scopes", metavar="A,B", multiple=True, help="Which scopes, with commas between or repeated."),
    click.option("--ttl", metavar="DURATION", callback=_ttl, help="How long, such as 30d; the rule's default without."),
    click.option("--cidr", "cidrs", metavar="NETWORK", multiple=True, help="From where; may be repeated."),
    click.option("--fact", "facts", metavar="NAME=VALUE", multiple=True, callback=_facts, help="What would be known."),
    format_option,
)


def _with_options(command: Callable[..., int]) -> Callable[..., int]:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True)
class Question:
    """A wish with what would be known at its issuance."""

    wish: Wish
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Answer:
    """Everything that was found out about a wish; `base` says by which policy, `stopped` who stands in its way."""

    asker: Asker
    wish: Wish
    explanation: Explanation
    base: str
    stopped: str | None = None


@click.command()
@_with_options
def explain(
    *,
    owner: str | None,
    key_id: str | None,
    folder: str | None,
    teams: tuple[str, ...],
    roles: tuple[str, ...],
    owner_kind: str | None,
    service: str | None,
    environment: str | None,
    scopes: tuple[str, ...],
    ttl: int | None,
    cidrs: tuple[str, ...],
    facts: dict[str, FactValue],
    form: str,
) -> int:
    """Say why a wish is allowed or not, with the rule, its line, the guardrails and what came nearest.

    Three ways: --owner asks what is in force; --key ID tells of a live key, then and now; --policies DIR asks a folder.
    The exit code is 0 when it is allowed, 20 when it is denied, and 21 when it needs approval.
    """
    if [owner, key_id, folder].count(None) != 2:  # noqa: PLR2004 - one of three.
        raise click.UsageError("name one of --owner, --key and --policies.")
    if folder is None and (teams or roles or owner_kind):
        raise click.UsageError("--as-team, --as-role and --owner-kind go with --policies.")
    if key_id is not None:
        return int(_stored().explain_key(key_id, form))
    wanted = frozenset(name for text in scopes for name in text.split(",") if name)
    if service is None or environment is None or not wanted:
        raise click.UsageError("a wish needs --service, --env and --scopes.")
    question = Question(Wish(service, environment, wanted, ttl, cidrs), Evidence(facts))
    if owner is not None:
        return int(_stored().explain_owner(owner, question, form))
    kind = OwnerKind(owner_kind or "user")
    name = "user:somebody" if kind is OwnerKind.USER else "svc:something"
    return _explain_folder(str(folder), Asker(name, kind, frozenset(teams), frozenset(roles)), question, form)


def say_answer(answer: Answer, form: str) -> int:
    """Print an answer and return its exit code."""
    exit_code = exit_code_of(answer.explanation.whole) if answer.stopped is None else DENIED
    if form == "json":
        asked = asked_as_json(answer.asker, answer.wish)
        told = explanation_as_json(answer.explanation)
        told |= {"policy": answer.base, "asked": asked, "stopped": answer.stopped}
        return say_json("explain", exit_code=exit_code, problems=[], **told)
    click.echo(f"{asked_in_words(answer.asker, answer.wish)}   by {answer.base}")
    if answer.stopped is not None:
        click.echo(f"Denied for now. {clean(answer.stopped)} Without that:")
    for line in explanation_lines(answer.explanation):
        click.echo(line)
    return exit_code


def _stored() -> Any:  # noqa: ANN401 - the module itself, which the type checker must not follow either.
    """Load what needs the database, only when it is asked."""
    return importlib.import_module("keymgr.cli.policy_explain_stored")


def _explain_folder(folder: str, somebody: Asker, question: Question, form: str) -> int:
    now = datetime.now(UTC)
    found = read_all(folder, now=now)
    if not isinstance(found, ReadPolicy):
        return refuse("explain", folder, form, found)
    asker = _in_policy(somebody, found.policy)
    told = explain_wish(found.policy, asker, question.wish, question.evidence, int(now.timestamp()))
    return say_answer(Answer(asker, question.wish, told, f"{folder}, {found.policy.digest}"), form)


def _in_policy(asker: Asker, policy: Policy) -> Asker:
    """Return the asker with the roles that are bound to the teams as well."""
    for noun, names, known in (("team", asker.teams, policy.teams), ("role", asker.roles, policy.roles)):
        for name in sorted(names.difference(known)):
            raise click.UsageError(f"the policy has no {noun} {name}; {nearest(name, known)}")
    bound = (role.name for role in policy.roles.values() if role.teams & asker.teams)
    return replace(asker, roles=asker.roles.union(bound))
