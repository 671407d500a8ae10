"""What if: anybody's wish, explained with everything that was looked at, and put to another policy as well."""

from dataclasses import dataclass, replace

from flask import Response, make_response, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict

from keymgr import db
from keymgr.keys.held import with_keys_held
from keymgr.keys.overrides import stopped
from keymgr.people.whois import owners_of
from keymgr.policy.explain import explain
from keymgr.policy.facts import FACTS
from keymgr.policy.model import Asker, Evidence, InForce
from keymgr.policy.trace import Trace, trace
from keymgr.reconcile.history import Revision, history
from keymgr.web.explanation import Panel, panel_of
from keymgr.web.forge import Forge, forge_of
from keymgr.web.forms import Problem
from keymgr.web.policy_keys import oversees
from keymgr.web.portal import address, desk, now, only_reads, portal
from keymgr.web.visiting import in_force, visitor
from keymgr.web.what_if_compare import NoOther, Other, difference, other_pasted, other_revision
from keymgr.web.what_if_form import (
    FACT_NAMES,
    GROUP,
    ME,
    Asked,
    asker_of,
    evidence_of,
    lifetimes,
    problems_of,
    read_asked,
)

_REVISIONS_MAX = 50


@dataclass(frozen=True, slots=True)
class Answered:
    """One policy's answer: the panel, the whole trace, and the forge that knows its places."""

    label: str
    panel: Panel
    trace: Trace
    forge: Forge


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, as whom, and what is known about the asking."""

    asked: Asked
    asker: Asker
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Compared:
    """The other policy's answer beside whether and how it differs."""

    changes: bool
    sentence: str
    answered: Answered


@dataclass(frozen=True, slots=True)
class Found:
    """Everything the page answers; `stopped` says that an emergency override stands in the way for now."""

    answered: Answered | None = None
    compared: Compared | None = None
    stopped: str | None = None
    problems: tuple[Problem, ...] = ()


@portal.get("/policy/what-if")
def policy_what_if() -> ResponseReturnValue:
    """Show the form and the answer to what the address asks; the address can be shared."""
    return _page(request.args, pasted="")


@portal.post("/policy/what-if")
@only_reads
def policy_what_if_pasted() -> ResponseReturnValue:
    """Answer with pasted YAML beside the policy in force; what was pasted is kept nowhere."""
    return _page(request.form, pasted=request.form.get("yaml", ""))


def _page(values: MultiDict[str, str], *, pasted: str) -> Response:
    opened = in_force()
    if opened is None:
        return make_response(render_template("policy/none.html", state=None, now=now()))
    session, asked = db.session(), read_asked(values, opened.policy)
    asker = asker_of(session, asked, visitor(), opened.policy)
    found = Found(problems=problems_of(asked))
    if isinstance(asker, Problem):
        found = Found(problems=(*found.problems, asker))
    elif asked.is_enough and not found.problems:
        found = _found(opened, Question(asked, asker, _evidence(asked, asker)), pasted)
    page = render_template(
        "policy/what_if.html",
        asked=asked,
        policy=opened.policy,
        service=opened.policy.services.get(asked.service),
        lifetimes=lifetimes(asked),
        facts=[(FACTS[name], asked.facts.get(name, "")) for name in FACT_NAMES],
        revisions=_revisions(opened),
        may_name=oversees(visitor()),
        mine=sorted(owners_of(visitor()) - {visitor().asker.id}),
        asker=None if isinstance(asker, Problem) else asker,
        found=found,
        pasted=pasted,
        problems=found.problems,
    )
    return make_response(page, 422 if found.problems else 200)


def _found(opened: InForce, question: Question, pasted: str) -> Found:
    session, asked = db.session(), question.asked
    forge = forge_of(opened, desk().forge_url, desk().policy_folder)
    answered = _answered(Other("the policy in force", opened.policy, forge), question)
    closed = stopped(session, question.asker, asked.wish, now())
    found = Found(answered=answered, stopped=None if closed is None else closed.sentence)
    other = _other(opened, asked, pasted, forge)
    if isinstance(other, NoOther):
        field = "yaml" if request.method == "POST" else "against"
        return replace(found, problems=tuple(Problem(field, each) for each in other.sentences))
    return found if other is None else replace(found, compared=_compared(answered, other, question))


def _revisions(opened: InForce) -> tuple[Revision, ...]:
    return tuple(each for each in history(db.session(), most=_REVISIONS_MAX) if each.number != opened.revision)


def _evidence(asked: Asked, asker: Asker) -> Evidence:
    """Return the facts; keys that are held count for those who exist."""
    evidence = evidence_of(asked, address=address() if asked.who == ME else None)
    if asked.who == GROUP:
        return evidence
    return with_keys_held(db.session(), evidence, owner=asker.id, wish=asked.wish, now=now())


def _answered(by: Other, question: Question) -> Answered:
    moment, wish, asker = int(now().timestamp()), question.asked.wish, question.asker
    explanation = explain(by.policy, asker, wish, question.evidence, moment)
    panel = panel_of(explanation, policy=by.policy, asker=asker, wish=wish, forge=by.forge)
    return Answered(by.label, panel, trace(by.policy, asker, wish, question.evidence, moment), by.forge)


def _other(opened: InForce, asked: Asked, pasted: str, forge: Forge) -> Other | NoOther | None:
    if request.method == "POST":
        if not pasted.strip():
            return NoOther(("Paste at least one document.",))
        return other_pasted(db.session(), opened, pasted, forge, now())
    return other_revision(db.session(), asked.against, forge) if asked.against else None


def _compared(before: Answered, other: Other, question: Question) -> Compared:
    """Ask the other policy; teams and roles that only it gives count, as they would once it is applied."""
    seen = asker_of(db.session(), question.asked, visitor(), other.policy)
    as_seen = question if isinstance(seen, Problem) else replace(question, asker=seen)
    answered = _answered(other, as_seen)
    return Compared(*difference(before.trace.decision, answered.trace.decision, other.label), answered)
