"""Revisions of the policy with their effect, not just their text, and the runs of apply that made them or failed."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import abort, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from sqlalchemy.orm import Session

from keymgr import db
from keymgr.people.whois import owners_of
from keymgr.policy.compile import compile_policy
from keymgr.policy.existing import LiveKey
from keymgr.policy.model import Policy
from keymgr.policy.plan import Plan, plan
from keymgr.policy.plan_capabilities import Delta
from keymgr.policy.plan_keys import KeyImpact
from keymgr.policy.read import ReadPolicy
from keymgr.reconcile.history import Revision, documents_of, find_revision, history
from keymgr.reconcile.live_keys import EVERY, Chosen, live_keys
from keymgr.store.keys import Key
from keymgr.store.policies import PolicyAttempt, PolicyRevision
from keymgr.web.forge import Forge
from keymgr.web.policy_keys import oversees
from keymgr.web.policy_state import result_words
from keymgr.web.portal import desk, now, portal
from keymgr.web.revision_words import (
    EFFECTS,
    capability_line,
    key_counts,
    object_line,
    people_of,
    summary_words,
)
from keymgr.web.visiting import rights, visitor

_PAGE = 20
_SHOWN_KEYS = 50
_SHOWN_CAPABILITIES = 100


@dataclass(frozen=True, slots=True)
class Run:
    """One run of apply, with its result in words."""

    number: int
    started_at: datetime
    seconds: float | None
    commit: str | None
    digest: str | None
    state: str
    words: str
    message: str


@dataclass(frozen=True, slots=True)
class KeyEffect:
    """One live key that the revision touched, in words; `name` is what its owner calls it."""

    id: str
    name: str
    owner: str
    where: str
    word: str
    reason: str
    may_open: bool


@portal.get("/policy/revisions")
def policy_revisions() -> ResponseReturnValue:
    """List revisions, the newest first."""
    before = request.args.get("before", "")
    found = history(db.session(), most=_PAGE + 1, before=int(before) if _is_number(before) else None)
    shown = found[:_PAGE]
    return render_template(
        "policy/revisions.html",
        revisions=[(each, summary_words(each.summary)) for each in shown],
        older=shown[-1].number if len(found) > _PAGE else None,
        now=now(),
    )


@portal.get("/policy/revisions/<int:number>")
def policy_revision(number: int) -> ResponseReturnValue:
    """Show what one revision changed: objects, who can hold what, and live keys."""
    session = db.session()
    revision = find_revision(session, number) if number < 2**31 else None
    if revision is None:
        abort(404)
    earlier = session.scalar(
        select(PolicyRevision.id).where(PolicyRevision.id < number).order_by(PolicyRevision.id.desc()).limit(1)
    )
    previous = None if earlier is None else find_revision(session, earlier)
    return render_template(
        "policy/revision.html",
        revision=revision,
        previous=previous,
        summary=summary_words(revision.summary),
        now=now(),
        oversees=oversees(visitor()),
        **_effect(session, revision, previous),
    )


@portal.get("/policy/runs")
def policy_runs() -> ResponseReturnValue:
    """List runs of apply with how they ended; what they complained of is for overseers."""
    if not oversees(visitor()):
        abort(403, "Runs are shown to administrators, auditors and reviewers. Ask one of them.")
    statement = select(PolicyAttempt).order_by(PolicyAttempt.id.desc()).limit(_PAGE * 2)
    return render_template("policy/runs.html", runs=[_run(row) for row in db.session().scalars(statement)], now=now())


def _effect(session: Session, revision: Revision, previous: Revision | None) -> dict[str, object]:
    head = _read(session, revision)
    base = None if previous is None else _read(session, previous)
    if head is None or (previous is not None and base is None):
        return {"readable": False}
    moment = int(revision.applied_at.timestamp())
    before = None if base is None else base.policy
    keys = list(_keys_then(session, head.policy, before, revision.applied_at))
    found = plan(base, head, now=moment, keys=keys)
    forge, then = _forge(revision), _forge(previous or revision)
    lines = [capability_line(each, forge, then, (before, head.policy)) for each in found.capabilities]
    return {
        "readable": True,
        "objects": [object_line(each, forge, then) for each in found.objects],
        "capabilities": lines[:_SHOWN_CAPABILITIES],
        "more_capabilities": max(0, len(lines) - _SHOWN_CAPABILITIES),
        "deltas": {delta.value: found.deltas.get(delta, 0) for delta in Delta},
        "people": people_of(lines),
        "key_counts": "" if found.keys is None else key_counts(found.keys),
        "checked": 0 if found.keys is None else found.keys.checked,
        "keys": _key_effects(session, found),
    }


def _keys_then(session: Session, head: Policy, base: Policy | None, applied_at: datetime) -> Iterator[LiveKey]:
    """Yield the keys that lived then and are not revoked today, of everybody to overseers, else the visitor's own."""
    chosen = EVERY if oversees(visitor()) else Chosen(owners=owners_of(visitor()))
    until = int((applied_at + timedelta(seconds=1)).timestamp())
    return (key for key in live_keys(session, head, applied_at, chosen, before=base) if key.issued_at < until)


def _read(session: Session, revision: Revision) -> ReadPolicy | None:
    documents = documents_of(session, revision.number)
    policy = compile_policy(documents)
    return ReadPolicy(documents, policy) if isinstance(policy, Policy) else None


def _forge(revision: Revision) -> Forge:
    return Forge(desk().forge_url, desk().policy_folder, revision.commit, revision.number)


def _key_effects(session: Session, found: Plan) -> list[KeyEffect]:
    impacts = [] if found.keys is None else found.keys.impacts[:_SHOWN_KEYS]
    ids = [impact.key.id for impact in impacts]
    rows = session.execute(select(Key.id, Key.name).where(Key.id.in_(ids)))
    names = {key_id: name for key_id, name in rows}  # noqa: C416 - a row is no pair to the type checker.
    return [_key_effect(impact, names.get(impact.key.id, impact.key.id)) for impact in impacts]


def _key_effect(impact: KeyImpact, name: str) -> KeyEffect:
    reasons = impact.after.reasons
    reason = reasons[0].sentence if reasons else f"By the rule {impact.after.rule}." if impact.after.rule else ""
    where = f"{impact.key.service}, {impact.key.environment}"
    owner, may_act = impact.key.asker.id, rights()
    may_open = may_act.admin or owner in may_act.owners
    return KeyEffect(impact.key.id, name, owner, where, EFFECTS[impact.effect], reason, may_open)


def _run(row: PolicyAttempt) -> Run:
    words, state = result_words(row.result_code)
    seconds = None if row.finished_at is None else (row.finished_at - row.started_at).total_seconds()
    return Run(row.id, row.started_at, seconds, row.commit, row.digest, state, words, row.message)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10  # noqa: PLR2004 - fits into the column.
