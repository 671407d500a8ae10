"""The list of keys: search, filters, sorting and pages, all of it in the address; the same as a file."""

from collections.abc import Iterator
from dataclasses import dataclass

from flask import Response, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict

from keymgr import db
from keymgr.keys.listing import Direction, KeyRow, Sort, each_row, listing, matching_ids
from keymgr.keys.status import Status
from keymgr.people.whois import owners_of
from keymgr.policy.model import Policy
from keymgr.web.ask_form import choices_of, read_draft
from keymgr.web.bulk_choice import KEYS_MAX, verbs_for
from keymgr.web.key_list_asked import EVERYBODY, Asked, read_asked
from keymgr.web.portal import now, portal
from keymgr.web.spreadsheet import line
from keymgr.web.visiting import in_force, rights, visitor
from keymgr.web.wording import owner_words

_COLUMNS = (
    ("Name", Sort.NAME, ""),
    ("Service", Sort.SERVICE, ""),
    ("Scopes", None, ""),
    ("Expires", Sort.EXPIRES, ""),
    ("Last used", Sort.LAST_USED, ""),
    ("Calls, 7 days", Sort.CALLS, "num"),
    ("Status", None, ""),
)
_SCOPES_MAX = 200
_FILE = (
    "name",
    "id",
    "owner",
    "service",
    "environment",
    "scopes",
    "status",
    "created",
    "expires",
    "last used",
    "last used from",
    "calls in 7 days",
)


@dataclass(frozen=True, slots=True)
class Column:
    """One heading; `url` sorts by it, None where there is nothing to sort by. `order` is what aria-sort says."""

    label: str
    url: str | None
    order: str | None
    kind: str


@dataclass(frozen=True, slots=True)
class Offered:
    """What the filters offer, each value with its words, and the services that an empty list tells of.

    `everybody` says that the visitor may choose to see all keys.
    """

    everybody: bool
    owners: tuple[tuple[str, str], ...]
    services: tuple[tuple[str, str], ...] = ()
    environments: tuple[tuple[str, str], ...] = ()
    scopes: tuple[str, ...] = ()
    likely: tuple[str, ...] = ()


@portal.get("/keys")
def key_list() -> ResponseReturnValue:
    """Show one page of the keys that the visitor may use; an admin may choose to see everybody's."""
    asked = read_asked(request.args, rights())
    page = listing(
        db.session(),
        asked.owners(rights()),
        now=now(),
        filters=asked.filters,
        sort=asked.sort,
        direction=asked.direction,
        number=asked.number,
    )
    return render_template(
        "keys/list.html",
        page=page,
        asked=asked,
        columns=tuple(_column(asked, *column) for column in _COLUMNS),
        offered=_offered(asked),
        statuses=tuple((word, word) for word in Status),
        mine=owners_of(visitor()),
        me=visitor().asker.id,
        verbs=verbs_for(rights()),
        bulk_max=KEYS_MAX,
        now=now(),
    )


@portal.get("/keys.csv")
def key_list_csv() -> Response:
    """Hand over all pages of the same list as a file; what a spreadsheet would take for a formula is made text."""
    asked = read_asked(request.args, rights())
    key_ids = matching_ids(
        db.session(),
        asked.owners(rights()),
        now=now(),
        filters=asked.filters,
        sort=asked.sort,
        direction=asked.direction,
    )
    rows = each_row(db.session(), key_ids, now=now())
    response = Response("".join(_lines(rows)), mimetype="text/csv")
    response.headers["Content-Disposition"] = 'attachment; filename="keys.csv"'
    return response


def _lines(rows: Iterator[KeyRow]) -> Iterator[str]:
    yield line(_FILE)
    for row in rows:
        used = row.last_used_at.isoformat(timespec="seconds") if row.last_used_at else ""
        dates = (row.created_at.isoformat(timespec="seconds"), row.token_expires_at.isoformat(timespec="seconds"), used)
        names = (row.name, row.id, row.owner, row.service, row.environment, " ".join(row.scopes), row.status.value)
        yield line((*names, *dates, row.last_used_from or "", str(row.calls)))


def _offered(asked: Asked) -> Offered:
    everybody = ((EVERYBODY, "everybody"),) if rights().admin else ()
    owners = (*((owner, owner_words(owner)) for owner in sorted(owners_of(visitor()))), *everybody)
    opened = in_force()
    if opened is None:
        return Offered(rights().admin, owners)
    policy = opened.policy
    draft = read_draft(MultiDict(), me=visitor().asker.id, policy=policy)
    return Offered(
        everybody=rights().admin,
        owners=owners,
        services=tuple((name, name) for name in sorted(policy.services)),
        environments=tuple((name, name) for name in policy.environments),
        scopes=_scopes(policy, asked.filters.service),
        likely=tuple(service.name for service in choices_of(policy, visitor().asker, draft, now()).likely),
    )


def _scopes(policy: Policy, service: str | None) -> tuple[str, ...]:
    """Suggest the scopes of the chosen service, or of all as long as that is a list that one can look through."""
    chosen = policy.services.get(service or "")
    services = list(policy.services.values()) if chosen is None else [chosen]
    names = sorted({scope for each in services for scope in each.scopes})
    return tuple(names) if len(names) <= _SCOPES_MAX else ()


def _column(asked: Asked, label: str, sort: Sort | None, kind: str) -> Column:
    if sort is None:
        return Column(label, None, None, kind)
    is_sorted = asked.sort is sort
    up = asked.direction is Direction.ASCENDING
    turned = Direction.DESCENDING if is_sorted and up else Direction.ASCENDING
    if not is_sorted and sort in {Sort.CALLS, Sort.LAST_USED}:
        turned = Direction.DESCENDING
    direction = "" if turned is Direction.ASCENDING else turned.value
    order = ("ascending" if up else "descending") if is_sorted else None
    return Column(label, asked.url(sort="" if sort is Sort.EXPIRES else sort.value, direction=direction), order, kind)
