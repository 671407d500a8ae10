"""Several keys at once: which verbs there are, which keys were chosen, and what each of them stands in the way of."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict

from keymgr.keys.listing import KeyRow, matching_ids, rows_among
from keymgr.keys.rights import Rights
from keymgr.keys.status import Status
from keymgr.policy.model import InForce, Tier
from keymgr.policy.wording import count
from keymgr.web.key_list_asked import read_asked

KEYS_MAX = 500
RECENTLY = timedelta(hours=24)


class Verb(StrEnum):
    """What can be done to several keys. Rotating is not among them: each new secret has a page of its own."""

    REVOKE = "revoke"
    SUSPEND = "suspend"
    RESUME = "resume"

    @property
    def label(self) -> str:
        """The word on buttons."""
        return self.value.capitalize()

    @property
    def past(self) -> str:
        """The word for keys it was done to."""
        return {"revoke": "revoked", "suspend": "suspended", "resume": "resumed"}[self.value]

    @property
    def doing(self) -> str:
        """The word while it is being done."""
        return {"revoke": "Revoking", "suspend": "Suspending", "resume": "Resuming"}[self.value]


@dataclass(frozen=True, slots=True)
class Chosen:
    """One key of the review: whether the verb can be done to it, and whether something would notice."""

    row: KeyRow
    can_be: bool
    in_use: bool
    in_production: bool

    @property
    def is_delicate(self) -> bool:
        """Whether it is worth asking twice."""
        return self.can_be and (self.in_use or self.in_production)


@dataclass(frozen=True, slots=True)
class Review:
    """What is about to be done; `asked_for` counts the keys that were chosen, seen or not."""

    verb: Verb
    keys: tuple[Chosen, ...]
    asked_for: int

    @property
    def doable(self) -> int:
        """How many keys it would be done to."""
        return sum(chosen.can_be for chosen in self.keys)

    @property
    def in_use(self) -> int:
        """How many of those were used within a day."""
        return sum(chosen.can_be and chosen.in_use for chosen in self.keys)

    @property
    def asks_for_words(self) -> bool:
        """Whether the words have to be typed: taking out of use what is in use, or for production."""
        return self.verb is not Verb.RESUME and any(chosen.is_delicate for chosen in self.keys)

    @property
    def unseen(self) -> int:
        """How many of the chosen keys are not there, or not the visitor's, or beyond what is done in one go."""
        return self.asked_for - len(self.keys)


def words_for(verb: Verb, number: int) -> str:
    """Return what is typed to confirm."""
    return f"{verb} {count(number, 'key')}"


def verbs_for(rights: Rights) -> tuple[Verb, ...]:
    """Return what the visitor may do to several keys: suspending is for admins."""
    return tuple(Verb) if rights.admin else (Verb.REVOKE,)


def read_verb(text: str | None, rights: Rights) -> Verb | None:
    """Read the verb of a form; None for one that is none, or not for this visitor."""
    return next((verb for verb in verbs_for(rights) if verb.value == text), None)


def review(
    session: Session, verb: Verb, values: MultiDict[str, str], *, rights: Rights, opened: InForce | None, now: datetime
) -> Review:
    """Look at the keys that a form names one by one, or at all that its filters find; at most 500.

    Keys that are not the visitor's are left out, as if there were none.
    """
    if values.get("every") == "1":
        asked = read_asked(values, rights)
        named: tuple[str, ...] = matching_ids(
            session,
            asked.owners(rights),
            now=now,
            filters=asked.filters,
            sort=asked.sort,
            direction=asked.direction,
            most=KEYS_MAX + 1,
        )
    else:
        named = tuple(dict.fromkeys(values.getlist("key")))
    rows = rows_among(session, named[:KEYS_MAX], rights.stoppable, now=now)
    return Review(verb, tuple(_chosen(verb, row, opened, now) for row in rows), len(named))


def _chosen(verb: Verb, row: KeyRow, opened: InForce | None, now: datetime) -> Chosen:
    can_be = {
        Verb.REVOKE: row.status is not Status.REVOKED,
        Verb.SUSPEND: row.status not in {Status.REVOKED, Status.SUSPENDED},
        Verb.RESUME: row.status is Status.SUSPENDED,
    }[verb]
    in_use = row.last_used_at is not None and row.last_used_at > now - RECENTLY
    environment = None if opened is None else opened.policy.environments.get(row.environment)
    return Chosen(row, can_be, in_use, environment is None or environment.tier is Tier.PROD)
