"""What the address of a list of keys asks for, and the addresses that ask for something else."""

import re
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlencode

from flask import url_for
from werkzeug.datastructures import MultiDict

from keymgr.keys.listing import Direction, Filters, Sort
from keymgr.keys.matching import SEARCH_LENGTH_MAX
from keymgr.keys.rights import Rights
from keymgr.keys.status import Status
from keymgr.web.forms import one_line

EVERYBODY = "everybody"
"""What an admin writes for the owner to see all keys; it is no owner's id."""

Word = TypeVar("Word", Status, Sort, Direction)
_DIGITS_MAX = 8
_NAME_LENGTH_MAX = 200
# More than the beginning of an opaque key, or anything that begins as a token of ours does.
_SECRET = re.compile(r"km_\w*_[0-9a-z]{26}_|kms_|kmp_|eyJ", re.ASCII)


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address asks for. `had_secret` tells that a key was pasted into the search; it is not kept."""

    filters: Filters
    everybody: bool
    sort: Sort
    direction: Direction
    number: int
    had_secret: bool

    @property
    def chosen(self) -> dict[str, str]:
        """The filters as fields of a form or an address; those that restrict nothing are left out."""
        named = {
            "q": self.filters.search,
            "service": self.filters.service,
            "environment": self.filters.environment,
            "status": self.filters.status,
            "scope": self.filters.scope,
            "owner": EVERYBODY if self.everybody else self.filters.owner,
            "unused": "30" if self.filters.unused else "",
        }
        return {name: str(value) for name, value in named.items() if value}

    @property
    def order(self) -> dict[str, str]:
        """The order as fields of a form or an address; the usual one is left out."""
        sort = {} if self.sort is Sort.EXPIRES else {"sort": self.sort.value}
        return sort if self.direction is Direction.ASCENDING else {**sort, "direction": self.direction.value}

    @property
    def fields(self) -> dict[str, str]:
        """Both of them, for a form that speaks of all pages of this list."""
        return {**self.chosen, **self.order}

    def url(self, endpoint: str = "web.key_list", **changes: str) -> str:
        """Return the address of this list with something else chosen; the first page, unless another is."""
        fields = {**self.fields, **changes}
        query = urlencode({name: value for name, value in fields.items() if value})
        return url_for(endpoint) + (f"?{query}" if query else "")

    def owners(self, rights: Rights) -> frozenset[str] | None:
        """Say whose keys are listed; None is everybody's, which only an admin gets."""
        return rights.stoppable if self.everybody else rights.owners

    @property
    def is_narrowed(self) -> bool:
        """Whether anything is searched or filtered."""
        return self.filters != Filters()


def read_asked(values: MultiDict[str, str], rights: Rights) -> Asked:
    """Read it; a word that is none of ours counts as not chosen."""
    typed = one_line(values.get("q"))
    had_secret = _SECRET.match(typed) is not None
    owner = _name(values.get("owner"))
    everybody = owner == EVERYBODY and rights.admin
    filters = Filters(
        search="" if had_secret else typed[:SEARCH_LENGTH_MAX].rstrip(),
        service=_name(values.get("service")),
        environment=_name(values.get("environment")),
        owner=None if everybody else owner,
        status=_word(Status, values.get("status")),
        scope=_name(values.get("scope")),
        unused=values.get("unused") == "30",
    )
    number = values.get("page", "1")
    return Asked(
        filters=filters,
        everybody=everybody,
        sort=_word(Sort, values.get("sort")) or Sort.EXPIRES,
        direction=_word(Direction, values.get("direction")) or Direction.ASCENDING,
        number=int(number) if number.isascii() and number.isdecimal() and len(number) < _DIGITS_MAX else 1,
        had_secret=had_secret,
    )


def _name(text: str | None) -> str | None:
    return one_line(text)[:_NAME_LENGTH_MAX] or None


def _word(kind: type[Word], text: str | None) -> Word | None:
    """Read one of a closed list of words."""
    return next((word for word in kind if word.value == text), None)
