"""Who may approve: steps in order, nobody twice, never a party, only people who are named and active."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keymgr.policy.approving import (
    May,
    MayNot,
    NotApprover,
    Signature,
    barred,
    could_approve,
    counted,
    is_met,
    may_approve,
    may_approve_narrower,
    may_break_glass,
    may_refuse,
    steps_of,
)
from keymgr.policy.model import ApprovalPolicy, ApprovalStep, Asker
from tests.policy.builders import a_person, an_account

LEADS = ApprovalStep("lead", frozenset({"leads"}), frozenset(), 1)
SECURITY = ApprovalStep("security", frozenset({"security"}), frozenset({"ciso"}), 2)
TWO = ApprovalPolicy("two-step", (LEADS, SECURITY), break_glass=frozenset({"gus", "eli"}))
NOBODY = ApprovalPolicy("none", ())
LEA = a_person("lea", teams=["leads"])
BOTH = a_person("bo", teams=["leads", "security"])
SUE = a_person("sue", teams=["security"])
CHEF = a_person("chef", teams=[], roles=["ciso"])
MAX = a_person("max", teams=["shipping"])
GUS = a_person("gus", teams=[])
PARTIES = frozenset({"user:ana", "svc:pay-ci"})


def why(verdict: object) -> NotApprover:
    assert isinstance(verdict, MayNot), verdict
    assert verdict.sentence.endswith(".")
    return verdict.reason


def asked(person: Asker, *signed: Signature, approval: ApprovalPolicy = TWO) -> May | MayNot:
    return may_approve(approval, person, signed, parties=PARTIES)


def test_steps_are_asked_in_order() -> None:
    assert asked(LEA) == May(0)
    assert asked(BOTH) == May(0)
    early = asked(SUE)
    assert why(early) is NotApprover.NOT_YET
    assert early == MayNot(
        NotApprover.NOT_YET, "Steps are taken in order: “lead” comes first, then you may approve “security”."
    )
    lead = Signature(LEA.id, 0)
    assert asked(SUE, lead) == asked(CHEF, lead) == asked(BOTH, lead) == May(1)


def test_nobody_counts_twice_and_a_full_step_needs_nobody_more() -> None:
    lead = Signature(BOTH.id, 0)
    assert why(asked(BOTH, lead)) is NotApprover.SIGNED
    full = asked(LEA, lead)
    assert full == MayNot(NotApprover.NOT_NEEDED, "“lead” has all the approvals it needs.")
    done = (Signature(LEA.id, 0), Signature(SUE.id, 1), Signature(CHEF.id, 1))
    assert why(asked(BOTH, *done)) is NotApprover.NOT_NEEDED


def test_parties_accounts_the_inactive_and_the_unnamed_never_approve() -> None:
    ana = a_person("ana", teams=["leads", "security"])
    assert asked(ana) == MayNot(NotApprover.PARTY, "You asked for this, so someone else must decide.")
    assert why(asked(an_account("bot", teams=["leads"]))) is NotApprover.NOT_A_PERSON
    assert why(asked(replace(LEA, active=False))) is NotApprover.INACTIVE
    stranger = asked(MAX)
    assert stranger == MayNot(
        NotApprover.NOT_NAMED,
        "The approval two-step asks for the team leads; the team security or the role ciso; you are not among them.",
    )
    assert why(asked(LEA, approval=NOBODY)) is NotApprover.NOT_NAMED
    assert barred(LEA, PARTIES) is None


def test_whoever_is_named_in_any_step_may_refuse() -> None:
    assert may_refuse(TWO, SUE, parties=PARTIES) is None
    assert why(may_refuse(TWO, MAX, parties=PARTIES)) is NotApprover.NOT_NAMED
    assert why(may_refuse(TWO, a_person("ana", teams=["leads"]), parties=PARTIES)) is NotApprover.PARTY


def test_only_named_people_who_are_no_party_break_the_glass() -> None:
    assert may_break_glass(TWO, GUS, parties=PARTIES) is None
    assert why(may_break_glass(TWO, GUS, parties=PARTIES | {GUS.id})) is NotApprover.PARTY
    lea = may_break_glass(TWO, LEA, parties=PARTIES)
    assert lea is not None
    assert "two-step lets eli or gus grant alone" in lea.sentence
    empty = may_break_glass(NOBODY, LEA, parties=PARTIES)
    assert empty is not None
    assert "lets nobody grant alone" in empty.sentence


def test_who_makes_a_wish_narrower_counts_for_the_first_step_that_names_them() -> None:
    assert may_approve_narrower(TWO, SUE, parties=PARTIES) == May(1)
    assert may_approve_narrower(TWO, BOTH, parties=PARTIES) == May(0)
    assert why(may_approve_narrower(TWO, MAX, parties=PARTIES)) is NotApprover.NOT_NAMED
    assert why(may_approve_narrower(TWO, SUE, parties=frozenset({SUE.id}))) is NotApprover.PARTY


def test_steps_say_who_signed_and_who_is_missing() -> None:
    lead, security = steps_of(TWO, [Signature(LEA.id, 0), Signature(SUE.id, 1)])
    assert (lead.signed, lead.is_met, lead.missing, lead.whose) == ((LEA.id,), True, 0, "the team leads")
    assert (security.is_met, security.missing) == (False, 1)
    assert security.whose == "the team security or the role ciso"
    assert is_met(NOBODY, [])


@pytest.mark.parametrize(
    ("signed", "kept"),
    [
        ([(LEA, 0), (SUE, 1)], [(LEA, 0), (SUE, 1)]),
        ([(LEA, 0), (BOTH, 0)], [(LEA, 0)]),
        ([(BOTH, 0), (BOTH, 1)], [(BOTH, 0)]),
        ([(SUE, 0), (SUE, 1)], [(SUE, 1)]),
        ([(LEA, 7)], []),
        ([(replace(LEA, active=False), 0)], []),
        ([(a_person("ana", teams=["leads"]), 0)], []),
    ],
    ids=["good", "full", "twice", "wrong-step", "no-such-step", "inactive", "party"],
)
def test_a_signature_counts_while_its_giver_could_still_give_it(
    signed: Sequence[tuple[Asker, int]], kept: Sequence[tuple[Asker, int]]
) -> None:
    expected = tuple(Signature(person.id, step) for person, step in kept)
    assert counted(TWO, signed, parties=PARTIES) == expected


TEAMS = ("a", "b", "c")
people = st.builds(
    a_person, st.sampled_from([f"p{n}" for n in range(6)]), teams=st.sets(st.sampled_from(TEAMS), max_size=3)
)
approvals = st.builds(
    lambda steps: ApprovalPolicy("any", tuple(steps)),
    st.lists(
        st.builds(
            ApprovalStep,
            st.just("step"),
            st.frozensets(st.sampled_from(TEAMS), min_size=1),
            st.just(frozenset()),
            st.integers(1, 3),
        ),
        min_size=1,
        max_size=3,
    ),
)
parties = st.frozensets(st.sampled_from([f"user:p{n}" for n in range(6)]), max_size=2)


def sign_all(approval: ApprovalPolicy, crowd: Sequence[Asker], barred_people: frozenset[str]) -> list[Signature]:
    """Let everybody try, one after the other, as often as they are listed."""
    signed: list[Signature] = []
    for person in crowd:
        verdict = may_approve(approval, person, signed, parties=barred_people)
        if isinstance(verdict, May):
            signed.append(Signature(person.id, verdict.step))
    return signed


@given(approvals, st.lists(people, max_size=25), parties)
def test_however_people_press_steps_fill_in_order_with_different_people_who_are_named(
    approval: ApprovalPolicy, crowd: list[Asker], barred_people: frozenset[str]
) -> None:
    signed = sign_all(approval, crowd, barred_people)

    who = [signature.person for signature in signed]
    assert len(who) == len(set(who))
    assert barred_people.isdisjoint(who)
    assert [signature.step for signature in signed] == sorted(signature.step for signature in signed)
    for step in steps_of(approval, signed):
        assert len(step.signed) <= step.needed
    for signature in signed:
        teams = {team for person in crowd if person.id == signature.person for team in person.teams}
        assert approval.steps[signature.step].teams & teams


@given(approvals, st.lists(people, max_size=25, unique_by=lambda person: person.id), parties)
def test_under_the_same_policy_every_signature_that_was_given_counts(
    approval: ApprovalPolicy, crowd: list[Asker], barred_people: frozenset[str]
) -> None:
    signed = sign_all(approval, crowd, barred_people)
    by_id = {person.id: person for person in crowd}
    given_as = [(by_id[signature.person], signature.step) for signature in signed]
    assert list(counted(approval, given_as, parties=barred_people)) == signed
    if is_met(approval, signed):
        assert all(isinstance(may_approve(approval, p, signed, parties=barred_people), MayNot) for p in crowd)


@given(approvals, st.lists(st.tuples(people, st.integers(0, 3)), max_size=25), parties)
def test_whatever_rows_there_are_only_different_named_people_count(
    approval: ApprovalPolicy, rows: list[tuple[Asker, int]], barred_people: frozenset[str]
) -> None:
    kept = counted(approval, rows, parties=barred_people)
    who = [signature.person for signature in kept]
    assert len(who) == len(set(who))
    assert barred_people.isdisjoint(who)
    for step in steps_of(approval, kept):
        assert len(step.signed) <= step.needed


@given(approvals, people, parties)
def test_nobody_approves_who_may_not_refuse(
    approval: ApprovalPolicy, person: Asker, barred_people: frozenset[str]
) -> None:
    if isinstance(may_approve(approval, person, (), parties=barred_people), May):
        assert may_refuse(approval, person, parties=barred_people) is None
        assert could_approve(approval, person)
