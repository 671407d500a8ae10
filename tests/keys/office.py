"""An office where requests are decided: several teams, a policy with two steps, and every verb with a commit."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from keymgr.keys.amend import amend
from keymgr.keys.approvals import Narrowed, approve
from keymgr.keys.ask import ask
from keymgr.keys.break_glass import break_glass
from keymgr.keys.claim import claim
from keymgr.keys.conversation import say
from keymgr.keys.issuer import Issuer
from keymgr.keys.nonce import Submit
from keymgr.keys.nudge import nudge
from keymgr.keys.order import Order
from keymgr.keys.outcomes import (
    AmendOutcome,
    Approved,
    ApproveOutcome,
    BreakGlassOutcome,
    ClaimOutcome,
    NudgeOutcome,
    Pending,
    RefuseOutcome,
    ReviewOutcome,
    SayOutcome,
    WithdrawOutcome,
)
from keymgr.keys.refuse import refuse
from keymgr.keys.review import review
from keymgr.keys.rights import Rights
from keymgr.keys.withdraw import withdraw
from keymgr.policy.model import ApprovalPolicy, ApprovalStep, Asker, InForce, Policy, Wish
from keymgr.store.audit import Actor
from keymgr.store.keys import KeyRequest
from keymgr.store.policies import PolicyOverride
from tests.keys.house import ANA, BEN, CI, ISSUER, LEVEL, NUMBERS, an_order, put_in_force
from tests.policy.builders import DAY, a_person, a_policy, a_rule, a_wish

LEAD_STEP = ApprovalStep("lead", frozenset({"leads"}), frozenset(), 1)
SECURITY_STEP = ApprovalStep("security", frozenset(), frozenset({"sec"}), 2)
ONE_STEP = ApprovalPolicy("one-step", (LEAD_STEP,))
TWO_STEPS = ApprovalPolicy("two-step", (LEAD_STEP, SECURITY_STEP), break_glass=frozenset({"gus", "ana"}))
READING = a_rule("prod-read", environments=["prod"], scopes=["charges:read"], approval=ONE_STEP)
WRITING = a_rule(
    "prod-write", environments=["prod"], scopes=["charges:read", "charges:write", "refunds:write"], approval=TWO_STEPS
)
DEV = a_rule("dev-read", scopes=["charges:read", "reports:read"])
OFFICE_POLICY = a_policy(DEV, READING, WRITING)
WRITE = a_wish("charges:write", "refunds:write", environment="prod", ttl=30 * DAY)
READ = a_wish("charges:read", environment="prod", ttl=30 * DAY)

LEA = a_person("lea", teams=["leads"])
LEO = a_person("leo", teams=["leads"], roles=["sec"])
SAM = a_person("sam", teams=[], roles=["sec"])
SUE = a_person("sue", teams=[], roles=["sec"])
GUS = a_person("gus", teams=[])
MAX = a_person("max", teams=[])
BOSS = a_person("boss", teams=["payments", "leads"])
EVERYBODY = (ANA, BEN, CI, LEA, LEO, SAM, SUE, GUS, MAX, BOSS)
PAYMENTS = frozenset({ANA.id, BEN.id, BOSS.id})


@dataclass
class Office:
    """Where one request after the other is decided; every verb commits, as a door does."""

    session: Session
    in_force: InForce
    now: datetime
    issuer: Issuer = ISSUER
    people: dict[str, Asker] = field(default_factory=lambda: {person.id: person for person in EVERYBODY})

    def who(self, owner: str) -> Asker | None:
        return self.people.get(owner)

    def rights(self, person: Asker) -> Rights:
        return Rights(frozenset({person.id, CI.id} if person.id in PAYMENTS else {person.id}))

    def apply(self, *rules: object, policy: Policy | None = None) -> None:
        """Put another policy in force."""
        made = policy or a_policy(*rules)  # type: ignore[arg-type]  # rules are handed on as they are.
        self.in_force = put_in_force(self.session, made, self.now)

    def ask(self, wish: Wish = WRITE, *, asker: Asker = ANA, by: Asker = ANA, name: str = "checkout worker") -> str:
        outcome = ask(
            self.session,
            self.in_force,
            asker=asker,
            actor=Actor(by.id),
            order=an_order(wish, name=name),
            issuer=self.issuer,
            now=self.now,
        )
        self.session.commit()
        assert isinstance(outcome, Pending), outcome
        return outcome.request_id

    def row(self, request_id: str) -> KeyRequest:
        return self.session.get_one(KeyRequest, request_id, populate_existing=True)

    def digest(self, request_id: str) -> str:
        row = self.session.get(KeyRequest, request_id, populate_existing=True)
        return "" if row is None else row.wish_digest

    def approve(
        self,
        request_id: str,
        approver: Asker,
        *,
        seen: str | None = None,
        note: str = "",
        narrowed: Narrowed | None = None,
        submit: Submit | None = None,
    ) -> ApproveOutcome:
        outcome = approve(
            self.session,
            self.in_force,
            request_id=request_id,
            approver=approver,
            actor=Actor(approver.id),
            asker_of=self.who,
            seen_digest=self.digest(request_id) if seen is None else seen,
            note=note,
            narrowed=narrowed,
            submit=submit,
            issuer=self.issuer,
            now=self.now,
        )
        self.session.commit()
        return outcome

    def approve_by(self, request_id: str, *approvers: Asker) -> Approved:
        """Let several approve; the last one is enough."""
        outcomes = [self.approve(request_id, approver) for approver in approvers]
        assert isinstance(outcomes[-1], Approved), outcomes
        return outcomes[-1]

    def refuse(
        self, request_id: str, approver: Asker, *, reason: str = "not now", seen: str | None = None
    ) -> RefuseOutcome:
        outcome = refuse(
            self.session,
            self.in_force,
            request_id=request_id,
            approver=approver,
            actor=Actor(approver.id),
            asker_of=self.who,
            seen_digest=self.digest(request_id) if seen is None else seen,
            reason=reason,
            submit=a_form(),
            level=LEVEL,
            now=self.now,
        )
        self.session.commit()
        return outcome

    def claim(self, request_id: str, person: Asker = ANA, *, submit: Submit | None = None) -> ClaimOutcome:
        outcome = claim(
            self.session,
            self.in_force,
            request_id=request_id,
            actor=Actor(person.id),
            rights=self.rights(person),
            asker_of=self.who,
            submit=submit,
            issuer=self.issuer,
            now=self.now,
        )
        self.session.commit()
        return outcome

    def break_glass(
        self, request_id: str, granter: Asker = GUS, *, reason: str = "production is down", seen: str | None = None
    ) -> BreakGlassOutcome:
        outcome = break_glass(
            self.session,
            self.in_force,
            request_id=request_id,
            granter=granter,
            actor=Actor(granter.id),
            asker_of=self.who,
            seen_digest=self.digest(request_id) if seen is None else seen,
            reason=reason,
            submit=a_form(),
            issuer=self.issuer,
            now=self.now,
        )
        self.session.commit()
        return outcome

    def review(self, request_id: str, reviewer: Asker, *, note: str = "it was one") -> ReviewOutcome:
        outcome = review(
            self.session,
            request_id=request_id,
            reviewer=reviewer,
            actor=Actor(reviewer.id),
            note=note,
            submit=a_form(),
            level=LEVEL,
            now=self.now,
        )
        self.session.commit()
        return outcome

    def amend(
        self,
        request_id: str,
        wish: Wish = WRITE,
        *,
        by: Asker = ANA,
        order: Order | None = None,
        seen: str | None = None,
    ) -> AmendOutcome:
        outcome = amend(
            self.session,
            self.in_force,
            request_id=request_id,
            actor=Actor(by.id),
            rights=self.rights(by),
            asker_of=self.who,
            order=order or an_order(wish),
            seen_digest=self.digest(request_id) if seen is None else seen,
            issuer=self.issuer,
            now=self.now,
        )
        self.session.commit()
        return outcome

    def withdraw(self, request_id: str, person: Asker = ANA) -> WithdrawOutcome:
        outcome = withdraw(
            self.session,
            request_id=request_id,
            actor=Actor(person.id),
            rights=self.rights(person),
            submit=a_form(),
            level=LEVEL,
            now=self.now,
        )
        self.session.commit()
        return outcome

    def nudge(self, request_id: str, person: Asker = ANA) -> NudgeOutcome:
        outcome = nudge(
            self.session,
            request_id=request_id,
            actor=Actor(person.id),
            rights=self.rights(person),
            submit=a_form(),
            level=LEVEL,
            now=self.now,
        )
        self.session.commit()
        return outcome

    def say(self, request_id: str, author: Asker, text: str = "What for?") -> SayOutcome:
        outcome = say(
            self.session,
            self.in_force,
            request_id=request_id,
            author=author,
            actor=Actor(author.id),
            rights=self.rights(author),
            asker_of=self.who,
            text=text,
            submit=a_form(),
            level=LEVEL,
            now=self.now,
        )
        self.session.commit()
        return outcome


def a_form() -> Submit:
    """A form that nobody has sent yet."""
    return Submit(f"form-{next(NUMBERS)}", "usr_ana")


def leaving(person: Asker) -> Asker:
    return replace(person, active=False)


def an_override(kind: str, target: str, now: datetime) -> PolicyOverride:
    until = now + timedelta(hours=1)
    return PolicyOverride(
        id="ovr_1",
        kind=kind,
        target=target,
        reason="incident",
        created_at=now,
        created_by="user:root",
        expires_at=until,
    )
