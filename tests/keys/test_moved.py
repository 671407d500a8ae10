"""A policy that moves between what was shown and what is sent: the person is told, and nothing is written."""

from datetime import datetime

import pytest
from sqlalchemy.orm import Session

from keymgr.keys.outcomes import Issued, Pending, PolicyMoved, Refused
from keymgr.policy.decision import Allowed
from keymgr.policy.load import to_snapshot
from keymgr.policy.model import InForce
from tests.keys.house import ANA, Counter, add_person, an_order, dump, put_in_force, story
from tests.policy.builders import a_wish
from tests.policy.folders import documents_in, policy_of

SET = """
apiVersion: keymgr/v1
kind: PolicySet
metadata: {name: acme, owner: payments}
spec:
  environments:
    - {name: dev, tier: nonprod}
---
apiVersion: keymgr/v1
kind: Team
metadata: {name: payments, owner: payments}
spec: {members: [ana]}
---
apiVersion: keymgr/v1
kind: Service
metadata: {name: payments, owner: payments}
spec:
  environments: [dev]
  scopes:
    - {name: "charges:read", risk: low, description: Read charges}
---
apiVersion: keymgr/v1
kind: ApprovalPolicy
metadata: {name: one-step, owner: payments}
spec:
  steps:
    - {name: team, from: {teams: [payments]}, count: 1}
"""
RULE = """
apiVersion: keymgr/v1
kind: IssuanceRule
metadata: {name: dev-read, owner: payments}
spec:
  subjects: {teams: [payments]}
  grants: {service: payments, environments: [dev], scopes: [SCOPE]}
  limits: {max_ttl: MAX, default_ttl: DEFAULT, max_keys_per_owner: 3}
  approval: APPROVAL
"""


def apply(
    session: Session,
    now: datetime,
    *,
    longest: str = "30d",
    usual: str = "7d",
    approval: str = "none",
    comment: str = "",
) -> InForce:
    rule = RULE.replace("MAX", longest).replace("DEFAULT", usual).replace("APPROVAL", approval)
    rule = rule.replace("SCOPE", '"charges:read"')
    documents = documents_in({"set.yaml": SET, "rules/dev.yaml": comment + rule})
    return put_in_force(session, policy_of(documents), now, to_snapshot(documents))


@pytest.fixture
def shown(session: Session, now: datetime) -> InForce:
    """The policy that was in force when the page was shown."""
    add_person(session, "ana", now)
    return apply(session, now)


def test_the_same_revision_moves_nothing(session: Session, shown: InForce, now: datetime) -> None:
    assert isinstance(Counter(session, shown, now).ask(an_order(seen=shown.revision)), Issued)


def test_a_newer_policy_with_the_same_answer_is_no_reason_to_stop(
    session: Session, shown: InForce, now: datetime
) -> None:
    newer = apply(session, now, comment="# moved down a line\n")
    assert isinstance(Counter(session, newer, now).ask(an_order(seen=shown.revision)), Issued)


@pytest.mark.parametrize(
    ("change", "wish"),
    [
        ({"usual": "3d"}, a_wish("charges:read")),
        ({"longest": "10d"}, a_wish("charges:read", ttl=20 * 86_400)),
        ({"approval": "one-step"}, a_wish("charges:read")),
    ],
)
def test_another_answer_is_told_and_nothing_is_written(
    session: Session, shown: InForce, now: datetime, change: dict[str, str], wish: object
) -> None:
    newer = apply(session, now, **change)
    order = an_order(wish, seen=shown.revision)  # type: ignore[arg-type]  # a Wish, as the parameters above say.
    before = dump(session)

    outcome = Counter(session, newer, now).ask(order)

    assert isinstance(outcome, PolicyMoved)
    assert (outcome.seen_revision, outcome.revision) == (shown.revision, newer.revision)
    assert dump(session) == before


def test_what_is_shown_then_can_be_sent_with_the_same_number(session: Session, shown: InForce, now: datetime) -> None:
    newer = apply(session, now, approval="one-step")
    counter = Counter(session, newer, now)
    moved = counter.ask(an_order(seen=shown.revision, nonce="n"))
    assert isinstance(moved, PolicyMoved)
    assert not isinstance(moved.explanation.whole, Allowed)
    assert isinstance(counter.ask(an_order(seen=newer.revision, nonce="n")), Pending)


def test_two_refusals_are_one_answer(session: Session, shown: InForce, now: datetime) -> None:
    newer = apply(session, now, usual="3d")
    counter = Counter(session, newer, now)
    assert isinstance(counter.ask(an_order(a_wish("no:such"), seen=shown.revision)), Refused)
    assert story(session) == [("key.asked", "refused")]


def test_a_revision_that_cannot_be_read_any_more_counts_as_moved(session: Session, now: datetime) -> None:
    add_person(session, "ana", now)
    broken = put_in_force(session, apply(session, now).policy, now, [])
    counter = Counter(session, apply(session, now), now)
    for seen in (broken.revision, 10_000):
        assert isinstance(counter.ask(an_order(seen=seen), asker=ANA), PolicyMoved)
