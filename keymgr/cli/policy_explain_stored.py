"""`keymgr policy explain` by what is in force: for an owner we know, and for a live key."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import click
from sqlalchemy.orm import Session

from keymgr.cli.plan_review import clean
from keymgr.cli.policy_answer import (
    DENIED,
    FITTING,
    explanation_as_json,
    explanation_lines,
    standing_as_json,
    standing_lines,
)
from keymgr.cli.policy_explain import Answer, Question, say_answer
from keymgr.cli.policy_report import say_json
from keymgr.cli.policy_stored import in_every_format, looking, moment
from keymgr.config import load
from keymgr.keys.detail import KeyDetail, detail
from keymgr.keys.held import with_keys_held
from keymgr.keys.listing import find_row
from keymgr.keys.overrides import stopped
from keymgr.keys.rights import Rights
from keymgr.keys.standing import Stood, stood
from keymgr.people.whois import PERSON_PREFIX, SERVICE_ACCOUNT_PREFIX, asker_of_owner
from keymgr.policy.explain import explain as explain_wish
from keymgr.policy.model import Asker, InForce, Policy
from keymgr.reconcile.live import in_force

_EVERYBODY = Rights(frozenset(), admin=True)


@dataclass(frozen=True, slots=True)
class _Known:
    """A key with how it stood at the last look, and the policy that judges it now."""

    key: KeyDetail
    stood: Stood | None
    opened: InForce | None


def explain_owner(owner: str, question: Question, form: str) -> int:
    """Say what this owner would be answered now."""
    return _explain_owner(owner=owner, question=question, form=form)


def explain_key(key_id: str, form: str) -> int:
    """Say why a key was given and how it stands now."""
    return _explain_key(key_id=key_id, form=form)


@in_every_format("explain")
def _explain_owner(*, owner: str, question: Question, form: str) -> int:
    now = datetime.now(UTC)
    with looking(load()) as session:
        opened = in_force(session)
        if opened is None:
            raise click.ClickException("No policy is in force, so nothing is granted. Run: keymgr policy apply DIR")
        asker = _owner(session, owner, opened.policy)
        evidence = with_keys_held(session, question.evidence, owner=asker.id, wish=question.wish, now=now)
        closed = stopped(session, asker, question.wish, now)
    told = explain_wish(opened.policy, asker, question.wish, evidence, int(now.timestamp()))
    sentence = None if closed is None else closed.sentence
    return say_answer(Answer(asker, question.wish, told, _base(opened), sentence), form)


@in_every_format("explain")
def _explain_key(*, key_id: str, form: str) -> int:
    now = datetime.now(UTC)
    with looking(load()) as session:
        known = _known(session, key_id, now)
    if known is None:
        raise click.UsageError(f"There is no key {key_id}.")
    why = known.key.why_now
    exit_code = 0 if why is not None and why.standing.verdict in FITTING else DENIED
    if form == "json":
        return say_json("explain", exit_code=exit_code, problems=[], **_key_as_json(known))
    _say_key(known)
    return exit_code


def _owner(session: Session, name: str, policy: Policy) -> Asker:
    """Find an owner by the whole name, or by the name alone, people first."""
    tried = [name] if ":" in name else [PERSON_PREFIX + name, SERVICE_ACCOUNT_PREFIX + name]
    for owner_id in tried:
        asker = asker_of_owner(session, owner_id, policy)
        if asker is not None:
            return asker
    raise click.UsageError(f"There is no owner {name}; `keymgr people list` and `keymgr service-account list` do.")


def _known(session: Session, key_id: str, now: datetime) -> _Known | None:
    row, opened = find_row(session, key_id, None, now=now), in_force(session)
    if row is None:
        return None
    asker = None if opened is None else asker_of_owner(session, row.owner, opened.policy)
    key = detail(session, key_id, rights=_EVERYBODY, in_force=opened, asker=asker, now=now)
    return None if key is None else _Known(key, stood(session, (key_id,)).get(key_id), opened)


def _base(opened: InForce) -> str:
    commit = "" if opened.commit is None else f", commit {opened.commit}"
    return f"revision {opened.revision}, {opened.policy.digest}{commit}"


def _key_as_json(known: _Known) -> dict[str, Any]:
    row, then, why = known.key.row, known.key.why_then, known.key.why_now
    return {
        "key": row.id,
        "owner": row.owner,
        "service": row.service,
        "environment": row.environment,
        "scopes": list(row.scopes),
        "status": row.status.value.lower(),
        "then": {"rule": then.rule, "source": then.source, "revision": then.revision, "commit": then.commit}
        | {"facts": dict(then.facts)},
        "now": None if why is None else standing_as_json(why.standing) | _clock(known.stood),
        "if_asked_now": None if why is None else explanation_as_json(why.explanation),
        "policy": None if known.opened is None else _base(known.opened),
    }


def _clock(how: Stood | None) -> dict[str, Any]:
    runs = how is not None and not how.fits
    return {
        "since": moment(how.since) if how is not None and runs else None,
        "due_at": moment(how.due_at) if how is not None and runs else None,
    }


def _say_key(known: _Known) -> None:
    row, then, why = known.key.row, known.key.why_then, known.key.why_now
    scopes = ", ".join(row.scopes)
    click.echo(clean(f"{row.id}: {row.owner}, {row.service}, {row.environment}, {scopes} ({row.status})"))
    commit = "" if then.commit is None else f", commit {then.commit}"
    click.echo(clean(f"Then: by {then.rule} ({then.source}), revision {then.revision}{commit}."))
    if why is None or known.opened is None:
        click.echo("Now: it cannot be judged, because no policy is in force or its owner is gone.")
        return
    first, *rest = standing_lines(why.standing)
    click.echo(f"Now: {first}   by {_base(known.opened)}")
    for line in rest:
        click.echo(line)
    clock = _clock(known.stood)
    if clock["due_at"] is not None:
        click.echo(f"  Out of policy since {clock['since']}, due {clock['due_at']}.")
    click.echo("If the same were asked for now:")
    for line in explanation_lines(why.explanation):
        click.echo(f"  {line}")
