"""Several keys at once: one page to look at what will happen, then one answer that grows with every key done."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import assert_never

from flask import Response, get_flashed_messages, make_response, render_template, request, stream_template, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import DBAPIError
from werkzeug.datastructures import MultiDict

from keymgr import db
from keymgr.keys.listing import KeyRow
from keymgr.keys.nonce import Submit
from keymgr.keys.outcomes import AlreadyDone, NotNow, NotYours, Resumed, Revoked, Suspended
from keymgr.keys.revoke import RevokeReason, revoke
from keymgr.keys.rights import Rights
from keymgr.keys.suspend import resume, suspend
from keymgr.store.audit import Actor
from keymgr.web.bulk_choice import KEYS_MAX, Review, Verb, read_verb, review, verbs_for, words_for
from keymgr.web.drafts import typed
from keymgr.web.forms import Problem, new_nonce
from keymgr.web.portal import desk, go_to, now, only_reads, portal
from keymgr.web.revoke import REASONS
from keymgr.web.visiting import actor, in_force, rights, visitor

_PART_LENGTH = 2_000
_Outcome = Revoked | Suspended | Resumed | AlreadyDone | NotNow | NotYours


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be done to each key, and by whom."""

    verb: Verb
    reason: RevokeReason
    note: str
    submit: Submit
    actor: Actor
    rights: Rights


@dataclass(frozen=True, slots=True)
class Step:
    """What became of one key; `problem` is empty where it was done."""

    row: KeyRow
    problem: str


@dataclass(slots=True)
class Progress:
    """The keys one after the other, each in a transaction of its own; `failed` and `done` grow with them."""

    order: Order
    rows: tuple[KeyRow, ...]
    done: int = 0
    failed: list[Step] = field(default_factory=list)

    def __iter__(self) -> Iterator[Step]:
        """Do it to the next key and say what became of it."""
        for row in self.rows:
            step = Step(row, _one(self.order, row))
            if step.problem:
                self.failed.append(step)
            else:
                self.done += 1
            yield step


@portal.get("/keys/bulk")
def bulk_review() -> ResponseReturnValue:
    """Show what would happen to the keys that the address names; without any, where to choose them."""
    return _review(request.args, 200)


@portal.post("/keys/bulk")
@only_reads
def bulk_review_posted() -> ResponseReturnValue:
    """Show the same for the keys that were ticked in the list."""
    return _review(request.form, 422)


@portal.get("/keys/bulk/done")
def bulk_done_address() -> ResponseReturnValue:
    """Lead back to the list: what was done is told once, in the answer to the form."""
    return go_to(url_for("web.key_list"))


@portal.post("/keys/bulk/done")
def bulk_done() -> ResponseReturnValue:
    """Do it, one key after the other, and tell of each as soon as it is done."""
    verb = read_verb(request.form.get("verb"), rights())
    if verb is None:
        return _review(request.form, 422)
    seen = review(db.session(), verb, request.form, rights=rights(), opened=in_force(), now=now())
    reason = next((word for word in RevokeReason if word.value == request.form.get("reason")), None)
    problems = _problems(seen, reason)
    if problems:
        return _page(seen, problems, 422)
    order = Order(
        verb=verb,
        reason=reason or RevokeReason.OTHER,
        note=request.form.get("note", ""),
        submit=Submit(request.form.get("nonce", "")[:64] or new_nonce(), visitor().person_id),
        actor=actor(),
        rights=rights(),
    )
    get_flashed_messages()  # Taken now: once the answer has begun, the cookie cannot be changed any more.
    progress = Progress(order, tuple(chosen.row for chosen in seen.keys))
    return Response(_in_parts(stream_template("keys/bulk_done.html", verb=verb, progress=progress, review=seen)))


def _one(order: Order, row: KeyRow) -> str:
    """Do it to one key and commit; return what stood in the way, or nothing."""
    session = db.session()
    try:
        outcome = _act(order, row)
        session.commit()
    except DBAPIError:
        session.rollback()
        return "The database did not answer in time. Nothing was changed for this key; try it again."
    match outcome:
        case Revoked() | Suspended() | Resumed() | AlreadyDone():
            return ""
        case NotNow(sentence):
            return sentence
        case NotYours():
            return "There is no such key any more, or it is not yours."
        case _:  # pragma: no cover - the type checker proves that nothing is left.
            assert_never(outcome)


def _act(order: Order, row: KeyRow) -> _Outcome:
    session, level = db.session(), desk().issuer.audit_level
    who, submit = order.actor, order.submit
    match order.verb:
        case Verb.REVOKE:
            return revoke(
                session,
                key_id=row.id,
                actor=who,
                rights=order.rights,
                reason=order.reason,
                note=order.note,
                submit=submit,
                level=level,
                now=now(),
            )
        case Verb.SUSPEND:
            return suspend(
                session,
                key_id=row.id,
                actor=who,
                rights=order.rights,
                note=order.note,
                submit=submit,
                level=level,
                now=now(),
            )
        case Verb.RESUME:
            return resume(session, key_id=row.id, actor=who, rights=order.rights, submit=submit, level=level, now=now())
        case _:  # pragma: no cover - the type checker proves that nothing is left.
            assert_never(order.verb)


def _problems(seen: Review, reason: RevokeReason | None) -> tuple[Problem, ...]:
    found = []
    if not seen.keys:
        found.append(Problem("", "None of the chosen keys is there. Go back to the list and choose again."))
    if seen.verb is Verb.REVOKE and reason is None:
        found.append(Problem("reason", "Choose why the keys are revoked."))
    words = words_for(seen.verb, seen.asked_for)
    if seen.asks_for_words and request.form.get("typed", "").strip().casefold() != words:
        found.append(Problem("typed", f"Type what is asked for to go on: {words}"))
    return tuple(found)


def _review(values: MultiDict[str, str], status_without: int) -> Response:
    """Show the review, or where to choose keys; `status_without` is for a form that leaves something out."""
    verb = read_verb(values.get("verb"), rights())
    seen = None if verb is None else review(db.session(), verb, values, rights=rights(), opened=in_force(), now=now())
    if seen is None or not seen.asked_for:
        page = render_template("keys/bulk_none.html", verbs=verbs_for(rights()))
        return make_response(page, status_without)
    return _page(seen, (), 200)


def _page(seen: Review, problems: tuple[Problem, ...], status: int) -> Response:
    page = render_template(
        "keys/bulk.html",
        review=seen,
        words=words_for(seen.verb, seen.doable),
        keys_max=KEYS_MAX,
        reasons=REASONS,
        chosen=typed().get("reason", ""),
        note=typed().get("note", ""),
        typed=typed().get("typed", ""),
        problems=problems,
        nonce=new_nonce(),
        now=now(),
    )
    return make_response(page, status)


def _in_parts(pieces: Iterator[str]) -> Iterator[str]:
    """Gather the many small pieces of a page into parts that are worth sending."""
    part: list[str] = []
    length = 0
    for piece in pieces:
        part.append(piece)
        length += len(piece)
        if length > _PART_LENGTH:
            yield "".join(part)
            part, length = [], 0
    yield "".join(part)
