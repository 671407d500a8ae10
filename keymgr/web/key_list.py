"""The list of keys: search, filters, sorting and pages, all of it in the address."""

from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlencode

from flask import render_template, request, url_for
from flask.typing import ResponseReturnValue

from keymgr import db
from keymgr.keys.listing import Direction, Filters, Sort, listing
from keymgr.keys.status import Status
from keymgr.people.whois import owners_of
from keymgr.web.portal import now, portal
from keymgr.web.visiting import in_force, visitor

Word = TypeVar("Word", Status, Sort, Direction)

_COLUMNS = (
    ("Name", Sort.NAME, ""),
    ("Service", Sort.SERVICE, ""),
    ("Scopes", None, ""),
    ("Status", None, ""),
    ("Expires", Sort.EXPIRES, ""),
    ("Last used", Sort.LAST_USED, ""),
    ("Calls, 7 days", Sort.CALLS, "num"),
)
_DIGITS_MAX = 8


@dataclass(frozen=True, slots=True)
class Column:
    """One heading; `url` sorts by it, None where there is nothing to sort by. `order` is what aria-sort says."""

    label: str
    url: str | None
    order: str | None
    kind: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address asks for."""

    filters: Filters
    sort: Sort
    direction: Direction
    number: int

    def url(self, **changes: str) -> str:
        """Return the address of this list with something else chosen; what is as usual is left out."""
        chosen = {
            "q": self.filters.search,
            "service": self.filters.service or "",
            "environment": self.filters.environment or "",
            "owner": self.filters.owner or "",
            "status": self.filters.status or "",
            "sort": "" if self.sort is Sort.EXPIRES else self.sort.value,
            "direction": "" if self.direction is Direction.ASCENDING else self.direction.value,
            **changes,
        }
        query = urlencode({name: value for name, value in chosen.items() if value})
        return url_for("web.key_list") + (f"?{query}" if query else "")

    @property
    def is_narrowed(self) -> bool:
        """Whether anything is searched or filtered."""
        return self.filters != Filters()


@portal.get("/keys")
def key_list() -> ResponseReturnValue:
    """Show one page of the keys that the visitor may use."""
    asked = _asked()
    page = listing(
        db.session(),
        owners_of(visitor()),
        now=now(),
        filters=asked.filters,
        sort=asked.sort,
        direction=asked.direction,
        number=asked.number,
    )
    opened = in_force()
    policy = None if opened is None else opened.policy
    return render_template(
        "keys/list.html",
        page=page,
        asked=asked,
        columns=tuple(_column(asked, *column) for column in _COLUMNS),
        services=sorted(policy.services) if policy else [],
        environments=list(policy.environments) if policy else [],
        statuses=tuple(Status),
        owners=sorted(owners_of(visitor())),
        me=visitor().asker.id,
        now=now(),
    )


def _asked() -> Asked:
    values = request.args
    filters = Filters(
        search=values.get("q", "").strip()[:80],
        service=values.get("service") or None,
        environment=values.get("environment") or None,
        owner=values.get("owner") or None,
        status=_word(Status, values.get("status")),
    )
    number = values.get("page", "1")
    return Asked(
        filters=filters,
        sort=_word(Sort, values.get("sort")) or Sort.EXPIRES,
        direction=_word(Direction, values.get("direction")) or Direction.ASCENDING,
        number=int(number) if number.isascii() and number.isdecimal() and len(number) < _DIGITS_MAX else 1,
    )


def _word(kind: type[Word], text: str | None) -> Word | None:
    """Read one of a closed list of words; anything else counts as not chosen."""
    return next((word for word in kind if word.value == text), None)


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
