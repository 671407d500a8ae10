"""One key's page: all that is known, to those who may know."""

from dataclasses import replace
from datetime import timedelta

from sqlalchemy.orm import Session

from keymgr.keys.detail import KeyDetail, WhyThen, detail
from keymgr.keys.outcomes import Issued
from keymgr.keys.rights import Rights
from keymgr.keys.rotate import rotate
from keymgr.keys.usage import Calls, record_batch
from keymgr.policy.decision import Allowed, Denied
from keymgr.policy.existing import Verdict
from keymgr.policy.model import Asker, InForce
from keymgr.tokens.verdicts import VerdictCode
from tests.keys.house import ADMINS, ANA, ANAS, ANAS_BROWSER, BENS, ISSUER, NO_FACTS, STAGING, Counter, put_in_force
from tests.policy.builders import a_policy, a_rule

DAY = timedelta(days=1)


def page(
    counter: Counter,
    key_id: str,
    rights: Rights = ANAS,
    *,
    in_force: InForce | None = None,
    asker: Asker | None = ANA,
    after: timedelta = timedelta(),
) -> KeyDetail | None:
    return detail(
        counter.session,
        key_id,
        rights=rights,
        in_force=in_force or counter.in_force,
        asker=asker,
        now=counter.now + after,
    )


def test_the_page_of_a_key_tells_its_whole_story(session: Session, counter: Counter) -> None:
    old = counter.issue(STAGING)
    new = rotate(
        session,
        counter.in_force,
        key_id=old.key_id,
        asker=ANA,
        actor=ANAS_BROWSER,
        rights=ANAS,
        evidence=NO_FACTS,
        overlap_seconds=3600,
        submit=None,
        issuer=ISSUER,
        now=counter.now + DAY,
    )
    assert isinstance(new, Issued)
    record_batch(session, [Calls(new.key_id, new.credential_id, VerdictCode.OK, 4, counter.now + DAY)])
    session.commit()

    shown = page(counter, old.key_id, after=DAY)

    assert shown is not None
    assert shown.row.id == old.key_id
    assert (shown.row.last_used_at, shown.days[-1].calls, len(shown.days)) == (counter.now + DAY, {"ok": 4}, 30)
    assert [(each.generation, each.state.value) for each in shown.credentials] == [(2, "current"), (1, "retiring")]
    assert shown.credentials[0].first_used_at == counter.now + DAY
    assert [told.action for told in shown.timeline] == ["key.rotated", "key.issued"]
    assert shown.timeline[0].request_id == "req-1"
    assert shown.why_then == WhyThen(
        "staging-rotating", "rules/staging-rotating.yaml:1:1", counter.in_force.revision, "4f2c1ab", {}
    )
    assert shown.why_now is not None
    assert shown.why_now.standing.verdict is Verdict.OK
    assert isinstance(shown.why_now.explanation.whole, Allowed)
    assert (shown.created_by, shown.token_form, shown.revoked_at) == ("user:ana", "jwt", None)
    assert shown.terms["rotate_every_seconds"] == 10 * 86_400


def test_an_overlap_that_is_over_is_shown_as_over_before_the_clock_says_so(session: Session, counter: Counter) -> None:
    issued = counter.issue(STAGING)
    rotate(
        session,
        counter.in_force,
        key_id=issued.key_id,
        asker=ANA,
        actor=ANAS_BROWSER,
        rights=ANAS,
        evidence=NO_FACTS,
        submit=None,
        issuer=ISSUER,
        now=counter.now,
    )
    shown = page(counter, issued.key_id, after=2 * DAY)
    assert shown is not None
    assert [each.state.value for each in shown.credentials] == ["current", "retired"]


def test_why_it_is_allowed_now_follows_the_policy_in_force(session: Session, counter: Counter) -> None:
    key_id = counter.issue().key_id
    narrower = put_in_force(session, a_policy(a_rule("dev-read", teams=["security"])), counter.now)

    shown = page(counter, key_id, in_force=narrower)

    assert shown is not None
    assert shown.why_now is not None
    assert shown.why_now.standing.verdict is Verdict.VIOLATES
    assert isinstance(shown.why_now.explanation.whole, Denied)
    assert shown.why_then.rule == "dev-read"


def test_without_an_owner_or_a_policy_nothing_is_said_about_now(counter: Counter) -> None:
    key_id = counter.issue().key_id
    unknown = page(counter, key_id, asker=None)
    nothing = detail(counter.session, key_id, rights=ANAS, in_force=None, asker=ANA, now=counter.now)
    assert unknown is not None
    assert nothing is not None
    assert unknown.why_now is nothing.why_now is None


def test_a_full_count_is_no_reason_against_the_key_itself(counter: Counter) -> None:
    key_id = counter.issue(STAGING).key_id
    shown = page(counter, key_id)
    assert shown is not None
    assert shown.why_now is not None
    assert isinstance(shown.why_now.explanation.whole, Allowed)


def test_foreign_and_unknown_keys_have_no_page_but_for_admins(counter: Counter) -> None:
    key_id = counter.issue().key_id
    assert page(counter, key_id, BENS) is None
    assert page(counter, "key_unknown", ADMINS) is None
    assert page(counter, key_id, replace(ADMINS)) is not None
