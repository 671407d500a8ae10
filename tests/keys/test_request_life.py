"""A request's whole life against a model of it: whatever people do in whatever order, both say the same."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from keymgr.keys.approvals import Narrowed
from keymgr.keys.due import tick
from keymgr.keys.outcomes import (
    Amended,
    Approved,
    Changed,
    Issued,
    MayNotDecide,
    NotNow,
    NotYours,
    RequestRefused,
    Signed,
    Withdrawn,
)
from keymgr.keys.request_states import state_of
from keymgr.policy.model import Asker
from keymgr.store.keys import Key, RequestApproval
from tests.keys.house import ANA, LEVEL, NUMBERS, story
from tests.keys.office import GUS, LEA, LEO, MAX, SAM, SUE, WRITE, Office
from tests.policy.builders import DAY

NAMED = ({LEA.id, LEO.id}, {LEO.id, SAM.id, SUE.id})
NEEDED = (1, 2)
THREE_DAYS = timedelta(hours=72)


@dataclass
class Model:
    """What the rules on paper say of one request."""

    owner: Asker
    now: datetime
    ends: datetime
    state: str = "waiting"
    ttl_seconds: int = 30 * DAY
    signed: dict[str, int] = field(default_factory=dict)
    broken: bool = False
    told: list[str] = field(default_factory=lambda: ["request.made"])

    def wait(self, hours: int) -> None:
        self.now += timedelta(hours=hours)
        if self.state in ("waiting", "approved") and self.now >= self.ends:
            self.state = "lapsed"
            self.told.append("request.lapsed")

    def end(self, state: str, *told: str) -> None:
        self.state = state
        self.told += told

    def approve(self, person: Asker, *, fresh: bool, narrows: bool) -> type:
        early = self._early(person) or (None if fresh else Changed)
        if early is not None:
            return early
        step = next(n for n in range(2) if list(self.signed.values()).count(n) < NEEDED[n])
        if person.id in self.signed or person.id not in NAMED[step]:
            return MayNotDecide
        if narrows:
            self.ttl_seconds -= 1
            self.signed = {}
            self.told.append("request.narrowed")
        self.signed[person.id] = step
        self.told.append("request.signed")
        if len(self.signed) < sum(NEEDED):
            return Signed
        self.ends = self.now + THREE_DAYS
        self.end("approved", "request.approved")
        return Approved

    def refuse(self, person: Asker) -> type:
        if person is GUS:
            return MayNotDecide
        early = self._early(person)
        if early is None:
            self.end("refused", "request.refused")
        return early or RequestRefused

    def break_glass(self, person: Asker) -> type:
        if person not in (GUS, MAX):
            return MayNotDecide
        early = self._early(person)
        if early is None:
            self.broken = True
            self.ends = self.now + THREE_DAYS
            self.end("approved", "request.break_glass")
        return early or Approved

    def withdraw(self) -> type:
        if self.state not in ("waiting", "approved"):
            return NotNow
        self.end("withdrawn", "request.withdrawn")
        return Withdrawn

    def amend(self) -> type:
        if self.broken or self.state not in ("waiting", "approved"):
            return NotNow
        self.signed, self.ttl_seconds, self.ends = {}, 30 * DAY, self.now + THREE_DAYS
        self.end("waiting", "request.amended")
        return Amended

    def claim(self, person: Asker) -> type:
        if person is not self.owner:
            return NotYours
        if self.state != "approved":
            return NotNow
        self.end("claimed", "request.claimed")
        return Issued

    def _early(self, person: Asker) -> type | None:
        if person is MAX:
            return NotYours
        if person is self.owner:
            return MayNotDecide
        return None if self.state == "waiting" else NotNow


OWNER = "owner"
who = st.sampled_from([LEA.id, LEO.id, SAM.id, SUE.id, SAM.id, SUE.id, GUS.id, MAX.id, OWNER])
approving = st.tuples(st.just("approve"), who, st.integers(0, 9))
others = st.tuples(
    st.sampled_from(["narrow", "refuse", "break_glass", "withdraw", "amend", "claim", "claim", "wait"]),
    who,
    st.integers(0, 9),
)


def do(office: Office, model: Model, request_id: str, action: tuple[str, str, int]) -> tuple[object, type]:
    """Do the same to both; answer what each says."""
    verb, name, number = action
    person = model.owner if name == OWNER else office.people[name]
    seen = None if number else "an older wish"
    match verb:
        case "approve":
            return office.approve(request_id, person, seen=seen), model.approve(
                person, fresh=bool(number), narrows=False
            )
        case "narrow":
            narrowed = Narrowed(WRITE.scopes, model.ttl_seconds - 1)
            outcome = office.approve(request_id, person, narrowed=narrowed)
            return outcome, model.approve(person, fresh=True, narrows=True)
        case "refuse":
            return office.refuse(request_id, person), model.refuse(person)
        case "break_glass":
            return office.break_glass(request_id, person), model.break_glass(person)
        case "withdraw":
            return office.withdraw(request_id, model.owner), model.withdraw()
        case "amend":
            return office.amend(request_id, by=model.owner), model.amend()
        case "claim":
            return office.claim(request_id, person), model.claim(person)
        case _:
            office.now += timedelta(hours=7 * number)
            model.wait(7 * number)
            tick(office.session, office.now, level=LEVEL)
            office.session.commit()
            return None, type(None)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(approving, approving, others), max_size=14))
def test_a_request_lives_as_the_model_says(office: Office, actions: list[tuple[str, str, int]]) -> None:
    owner = replace(ANA, id=f"user:p{next(NUMBERS)}")
    office.people[owner.id] = owner
    model = Model(owner, office.now, office.now + THREE_DAYS)
    request_id = office.ask(asker=owner, by=owner)

    for action in actions:
        outcome, expected = do(office, model, request_id, action)
        assert type(outcome) is expected, (action, outcome)
        request = office.row(request_id)
        assert state_of(request, office.now) == model.state
        assert request.ttl_seconds == model.ttl_seconds
        given_now = select(RequestApproval.approver, RequestApproval.step).where(
            RequestApproval.request_id == request_id
        )
        assert {row.approver: row.step for row in office.session.execute(given_now)} == model.signed
        keys = office.session.scalar(select(func.count()).select_from(Key).where(Key.owner == owner.id))
        assert keys == (model.state == "claimed") == (request.key_id is not None)
    told = [event for event, outcome in story(office.session, request_id) if outcome == "done"]
    assert told == model.told
