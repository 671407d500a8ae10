"""Changes of the policy that touched the visitor: rules that their keys stand on, keys that fit no more or again."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from flask import url_for
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from keymgr.policy.plan_objects import Action, ObjectChange
from keymgr.policy.wording import count
from keymgr.reconcile.history import Revision, changes_between, documents_of, history
from keymgr.store.audit import AuditEvent
from keymgr.store.keys import Key, KeyState
from keymgr.web.forge import SHORT_COMMIT, Forge
from keymgr.web.portal import desk, now
from keymgr.web.revision_words import object_line
from keymgr.web.visiting import rights

_SINCE = timedelta(days=30)
_LOOKED_AT = 10
_FIELDS = 3
_REMEMBERED = 64
_TOLD = ("key.flagged", "key.fits_again")
_changes: dict[tuple[str, str], tuple[ObjectChange, ...]] = {}
"""What changed between two digests: the same in every request, and costly to work out."""


@dataclass(frozen=True, slots=True)
class News:
    """One revision as it touched the visitor; `name` is its commit, or its number where it has none."""

    number: int
    name: str
    at: datetime
    url: str
    sentences: tuple[str, ...]


def policy_news(session: Session, *, most: int) -> tuple[News, ...]:
    """List the revisions of the last 30 days that touched the visitor's keys, the newest first."""
    rules = _rules_of(session)
    verdicts = _verdicts(session)
    if not rules and not verdicts:
        return ()
    found = (
        _news(revision, (*_of_rules(session, revision, earlier, rules), *_of_keys(verdicts.get(revision.number, {}))))
        for revision, earlier in _lately(session)
    )
    return tuple(news for news in found if news.sentences)[:most]


def _lately(session: Session) -> Iterator[tuple[Revision, Revision]]:
    """Yield revisions with the one before each; the first of all has changed nothing for anybody."""
    newest_first = history(session, most=_LOOKED_AT + 1)
    return ((revision, earlier) for revision, earlier in pairwise(newest_first) if revision.applied_at > now() - _SINCE)


def _rules_of(session: Session) -> Counter[str]:
    """Count the visitor's live keys by the rule that they stand on."""
    live = (Key.owner.in_(sorted(rights().owners)), Key.state != KeyState.REVOKED, Key.expires_at > now())
    rows = session.execute(select(Key.rule, func.count()).where(*live).group_by(Key.rule))
    return Counter({rule: number for rule, number in rows})  # noqa: C416 - a row is no pair to the type checker.


def _verdicts(session: Session) -> Mapping[int, Counter[str]]:
    """Count, by revision, the visitor's keys that were found to fit no more or to fit again."""
    mine = select(Key.id).where(Key.owner.in_(sorted(rights().owners)))
    told = (AuditEvent.action.in_(_TOLD), AuditEvent.object_kind == "key", AuditEvent.object_id.in_(mine))
    statement = select(AuditEvent.action, AuditEvent.detail).where(*told, AuditEvent.at > now() - _SINCE)
    found: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for action, detail in session.execute(statement):
        found[detail["revision"]][action] += 1
    return found


def _of_rules(session: Session, revision: Revision, earlier: Revision, rules: Counter[str]) -> Iterator[str]:
    forge = Forge(desk().forge_url, desk().policy_folder, revision.commit, revision.number)
    for change in _between(session, earlier, revision):
        name = change.previous_name or change.name
        if change.kind == "IssuanceRule" and rules[name]:
            line = object_line(change, forge, forge)
            fields = "; ".join(f"{each.path} now {each.after}, was {each.before}" for each in line.fields[:_FIELDS])
            what = f"{line.action}: {fields}" if fields and change.action is not Action.REMOVED else line.action
            yield f"The rule {name} was {what}. {count(rules[name], 'key')} of yours {_stand(rules[name])} on it."


def _of_keys(verdicts: Mapping[str, int]) -> Iterator[str]:
    if number := verdicts.get("key.flagged", 0):
        yield f"{count(number, 'key')} of yours {'does' if number == 1 else 'do'} not fit it."
    if number := verdicts.get("key.fits_again", 0):
        yield f"{count(number, 'key')} of yours {'fits' if number == 1 else 'fit'} again."


def _between(session: Session, earlier: Revision, revision: Revision) -> tuple[ObjectChange, ...]:
    digests = (earlier.digest, revision.digest)
    found = _changes.get(digests)
    if found is None:
        before, after = documents_of(session, earlier.number), documents_of(session, revision.number)
        found = changes_between(before, after) or ()
        if len(_changes) >= _REMEMBERED:
            _changes.clear()
        _changes[digests] = found
    return found


def _news(revision: Revision, sentences: tuple[str, ...]) -> News:
    name = revision.commit[:SHORT_COMMIT] if revision.commit else f"revision {revision.number}"
    url = url_for("web.policy_revision", number=revision.number)
    return News(revision.number, name, revision.applied_at, url, sentences)


def _stand(number: int) -> str:
    return "stands" if number == 1 else "stand"
