"""Which keys a list is asked for, as conditions that the database can answer quickly."""

import json
import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, String, cast, func, or_, select

from keymgr.keys.status import Status, has_status
from keymgr.store.keys import Credential, Key

SEARCH_LENGTH_MAX = 80
UNUSED = timedelta(days=30)
_OPAQUE_HEAD = re.compile("km_(?:[a-z0-9_]+_)?")


@dataclass(frozen=True, slots=True)
class Filters:
    """What a list shows; an empty text, None or False does not restrict.

    `search` finds a part of the name, or the beginning of a key's or a credential's id, also as an opaque key begins
    with it (`km_prod_01jd`); of more than 80 characters the rest is ignored. `unused` finds what nobody has used for
    30 days, and was there for as long.
    """

    search: str = ""
    service: str | None = None
    environment: str | None = None
    owner: str | None = None
    status: Status | None = None
    scope: str | None = None
    unused: bool = False


def conditions(owners: frozenset[str] | None, filters: Filters, now: datetime) -> list[ColumnElement[bool]]:
    """Write the conditions over `Key`, for the keys of `owners` (None: everybody's)."""
    found: list[ColumnElement[bool]] = []
    if owners is not None:
        found.append(Key.owner.in_(sorted(owners)))
    exact = ((Key.service, filters.service), (Key.environment, filters.environment), (Key.owner, filters.owner))
    found.extend(column == value for column, value in exact if value is not None)
    if filters.status is not None:
        found.append(has_status(filters.status, now))
    if filters.scope is not None:
        found.append(cast(Key.scopes, String).contains(json.dumps(filters.scope), autoescape=True))
    if filters.unused:
        found.append(func.coalesce(Key.last_used_at, Key.created_at) <= now - UNUSED)
    text = tidy_search(filters.search)
    if text:
        found.append(_matches(text))
    return found


def tidy_search(text: str) -> str:
    """Leave out what cannot be shown, and what is beyond the length that is looked at."""
    shown = "".join(character for character in text if character.isprintable())
    return shown.strip()[:SEARCH_LENGTH_MAX].rstrip()


def _matches(text: str) -> ColumnElement[bool]:
    """Look at ids only where the text can be the beginning of one."""
    found: list[ColumnElement[bool]] = [Key.name.icontains(text, autoescape=True)]
    low = text.lower()
    if _may_begin(low, "key_"):
        found.append(Key.id.startswith(low, autoescape=True))
    credential = _OPAQUE_HEAD.sub("crd_", low, count=1) if low.startswith("km_") else low
    if _may_begin(credential, "crd_"):
        of_credential = Credential.id.startswith(credential, autoescape=True)
        found.append(Key.id.in_(select(Credential.key_id).where(of_credential)))
    return or_(*found)


def _may_begin(text: str, prefix: str) -> bool:
    return text.startswith(prefix) or prefix.startswith(text)
