"""One request as its pages show it: read once for whoever may see it, with its steps and where its rule is written."""

from dataclasses import dataclass
from datetime import datetime

from flask import abort

from keymgr import db
from keymgr.keys.request_detail import RequestDetail, SignatureRow, may_see, request_detail
from keymgr.people.whois import owners_of
from keymgr.policy.approving import could_approve, may_break
from keymgr.policy.decision import Denied
from keymgr.policy.model import ApprovalPolicy, InForce
from keymgr.policy.wording import all_of
from keymgr.reconcile.history import find_revision
from keymgr.store.keys import RequestState
from keymgr.web.colleagues import approvers_of, looking_up
from keymgr.web.explanation_lines import Point, points_of
from keymgr.web.forge import Forge, Place, forge_of
from keymgr.web.portal import desk, now
from keymgr.web.visiting import in_force, visitor
from keymgr.web.wording import owner_words


@dataclass(frozen=True, slots=True)
class StepView:
    """One step: `signers` approved it, `can` names who still may, in words."""

    name: str
    needed: int
    is_met: bool
    whose: str
    signers: tuple[SignatureRow, ...]
    can: str


@dataclass(frozen=True, slots=True)
class Routing:
    """Which rule asks for which approval, and where it is written; `refused` says why the policy refuses by now."""

    rule: str
    approval: str
    place: Place
    refused: tuple[Point, ...]


def read_request(request_id: str) -> RequestDetail:
    """Read a request the visitor may see; for every other the page does not exist (404)."""
    session, opened, who = db.session(), in_force(), visitor()
    asker_of = looking_up(session, None if opened is None else opened.policy)
    found = request_detail(session, opened, request_id, asker_of=asker_of, now=now())
    if found is None or not may_see(found, who.asker, owners_of(who), who.portal):
        abort(404)
    return found


def is_ours(asked: RequestDetail) -> bool:
    """Tell whether the visitor acts for the owner or asked for the key: edits, withdraws, claims."""
    return asked.owner in owners_of(visitor())


def may_speak(asked: RequestDetail) -> bool:
    """Tell whether the visitor may add to the conversation: a party, or whoever is named to decide."""
    person = visitor().asker
    if is_ours(asked) or person.id in asked.parties:
        return True
    named = (approval for approval in (asked.approval, approval_as_routed(asked)) if approval is not None)
    return any(could_approve(approval, person) or may_break(approval, person) for approval in named)


def approval_as_routed(asked: RequestDetail) -> ApprovalPolicy | None:
    """Return what the rule that routed the request asks for by now; None where that rule is gone."""
    opened = in_force()
    rule = None if opened is None else opened.policy.rules.get(asked.rule)
    return None if rule is None else rule.approval


def is_open(asked: RequestDetail) -> bool:
    """Tell whether the request still waits or can be claimed."""
    return asked.state in {RequestState.WAITING, RequestState.APPROVED}


def steps_view(asked: RequestDetail, opened: InForce | None) -> tuple[StepView, ...]:
    """Say of each step who approved it and who still may."""
    if asked.approval is None or opened is None:
        return ()
    able = approvers_of(db.session(), opened.policy, asked.approval, parties=asked.parties)
    signed = {row.person for row in asked.signatures if row.counts}
    return tuple(
        StepView(
            name=step.name,
            needed=step.needed,
            is_met=step.is_met,
            whose=step.whose,
            signers=tuple(row for row in asked.signatures if row.counts and row.step == number),
            can=all_of(owner_words(person) for person in able[number] if person not in signed),
        )
        for number, step in enumerate(asked.steps)
    )


def routing(asked: RequestDetail, opened: InForce | None) -> Routing:
    """Name the rule that asks for approval now, else the one that did when the request was made."""
    then = _place_then(asked)
    if opened is None or asked.decision is None:
        approval = "" if asked.approval is None else asked.approval.name
        return Routing(asked.rule, approval, then, ())
    forge = forge_of(opened, desk().forge_url, desk().policy_folder)
    if isinstance(asked.decision, Denied):
        return Routing(asked.rule, "", then, points_of(asked.decision.reasons, forge))
    rule = asked.decision.rule
    return Routing(rule.name, rule.approval.name, forge.place(rule.source), ())


def _place_then(asked: RequestDetail) -> Place:
    """Say where the rule stood when the request was made, at the commit of then."""
    revision = find_revision(db.session(), asked.revision)
    commit = None if revision is None else revision.commit
    forge = Forge(desk().forge_url, desk().policy_folder, commit, asked.revision)
    return forge.place_of_text(asked.rule_source)


def lapses_at(asked: RequestDetail) -> datetime:
    """Return when the request ends by itself: its wait, or the time to claim it."""
    return asked.claim_until or asked.expires_at
