"""Does one verb again and again, each time in a child that is killed one system call later: run under strace.

strace kills a child as it enters its 500th call of a kind. Each child first makes 500 - n calls that change nothing,
so that it dies at the nth call that its database makes; the last child gets through.
"""

import os
import shutil
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from keymgr.keys.approvals import approve
from keymgr.keys.ask import ask
from keymgr.keys.claim import claim
from keymgr.keys.outcomes import Issued, Pending, Revoked
from keymgr.keys.revoke import RevokeReason, revoke
from keymgr.keys.rotate import rotate
from keymgr.policy.model import InForce
from keymgr.store.audit import Actor
from keymgr.store.engine import connect
from keymgr.store.keys import KeyRequest, RequestState
from tests.keys.house import ANA, ANAS, ANAS_BROWSER, ISSUER, LEVEL, NO_FACTS, POLICY, PROD, Counter, an_order
from tests.policy.builders import a_person

ELI, EVE = (a_person(name, teams=["security"]) for name in ("eli", "eve"))
PEOPLE = {person.id: person for person in (ANA, ELI, EVE)}
NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
DEADLY = 500


def sweep(verb: str, call: str, prepared: Path, revision: int, key_id: str) -> None:
    for number in range(1, DEADLY):
        file = prepared.with_name(f"{number}.db")
        shutil.copyfile(prepared, file)
        child = os.fork()
        if child == 0:
            waste(call, DEADLY - number)
            act(verb, file, InForce(POLICY, revision, None), key_id)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(number, os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201 - the report that the test reads.
        if os.waitstatus_to_exitcode(status) == 0:
            return


def waste(call: str, count: int) -> None:
    with tempfile.TemporaryFile() as nothing:
        for _ in range(count):
            if call == "pwrite64":
                os.pwrite(nothing.fileno(), b"", 0)
            else:
                os.fdatasync(nothing.fileno())


def act(verb: str, file: Path, in_force: InForce, key_id: str) -> None:
    """Do the verb, and leave a note once it is committed, as a client would have been told."""
    engine = connect(f"sqlite:///{file}")
    with Session(engine) as session, session.begin():
        outcome = do(session, verb, in_force, key_id)
        assert isinstance(outcome, Issued | Revoked), outcome
    file.with_suffix(".acknowledged").touch()
    engine.dispose()


def do(session: Session, verb: str, in_force: InForce, key_id: str) -> object:
    match verb:
        case "issue":
            order = an_order(nonce="a form of its own")
            return ask(session, in_force, asker=ANA, actor=ANAS_BROWSER, order=order, issuer=ISSUER, now=NOW)
        case "claim":
            return claim(
                session,
                in_force,
                request_id=session.scalars(select(KeyRequest.id)).one(),
                actor=ANAS_BROWSER,
                rights=ANAS,
                asker_of=PEOPLE.get,
                submit=None,
                issuer=ISSUER,
                now=NOW,
            )
        case "rotate":
            return rotate(
                session,
                in_force,
                key_id=key_id,
                asker=ANA,
                actor=ANAS_BROWSER,
                rights=ANAS,
                evidence=NO_FACTS,
                submit=None,
                issuer=ISSUER,
                now=NOW,
            )
        case _:
            return revoke(
                session,
                key_id=key_id,
                actor=ANAS_BROWSER,
                rights=ANAS,
                reason=RevokeReason.LEAKED,
                submit=None,
                level=LEVEL,
                now=NOW,
            )


def approve_one(counter: Counter) -> None:
    """Leave one approved request that nobody has claimed."""
    pending = counter.ask(an_order(PROD))
    assert isinstance(pending, Pending)
    for person in (ELI, EVE):
        approve(
            counter.session,
            counter.in_force,
            request_id=pending.request_id,
            approver=person,
            actor=Actor(person.id),
            asker_of=PEOPLE.get,
            seen_digest=counter.session.scalars(select(KeyRequest.wish_digest)).one(),
            note="",
            narrowed=None,
            submit=None,
            issuer=ISSUER,
            now=NOW,
        )
        counter.session.commit()
    assert counter.session.scalars(select(KeyRequest.state)).one() == RequestState.APPROVED


if __name__ == "__main__":
    sweep(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]), sys.argv[5])
