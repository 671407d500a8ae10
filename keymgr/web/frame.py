"""What surrounds every page: navigation that shows only what exists and may be opened, theme, and the demo's banner."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from flask import g, request, url_for

from keymgr.people.whois import Visitor
from keymgr.policy.model import PortalPermission
from keymgr.web.portal import desk, portal
from keymgr.web.visiting import is_signed_in, visitor

THEME_COOKIE = "keymgr-theme"


class Theme(StrEnum):
    """How pages are coloured; `system` follows the device."""

    SYSTEM = "system"
    LIGHT = "light"
    DARK = "dark"


@dataclass(frozen=True, slots=True)
class NavItem:
    """One entry of the navigation; `current` marks where the visitor is."""

    label: str
    icon: str
    url: str
    current: bool


@dataclass(frozen=True, slots=True)
class Frame:
    """The frame of one page; without a visitor there is no navigation."""

    visitor: Visitor | None
    groups: tuple[tuple[NavItem, ...], ...]
    theme: Theme
    demo: bool


_POLICY = (
    "web.policy_page",
    "web.policy_service",
    "web.policy_rule",
    "web.policy_role",
    "web.policy_revisions",
    "web.policy_revision",
    "web.policy_runs",
    "web.override_list",
    "web.override_place",
    "web.policy_matrix",
    "web.policy_what_if",
    "web.policy_what_if_pasted",
)
_DOCS = (
    "web.docs_index",
    "web.docs_page",
    "web.docs_inspect",
    "web.docs_inspect_posted",
    "web.error_list",
    "web.error_page",
)
_Entry = tuple[str, str, str, tuple[str, ...]]
_NEEDS: Mapping[str, frozenset[PortalPermission]] = {
    "web.audit_page": frozenset({PortalPermission.ADMIN, PortalPermission.AUDITOR}),
}
"""Pages that are not for everybody: who opens one holds any of these. An endpoint that is not here is for all."""
_GROUPS: tuple[tuple[_Entry, ...], ...] = (
    (
        ("Home", "home", "web.home", ("web.home",)),
        ("My keys", "key", "web.key_list", ("web.key_list", "web.key_page", "web.key_rotate", "web.key_revoke")),
        ("Request a key", "plus", "web.key_new", ("web.key_new", "web.key_create")),
        ("Requests", "tray", "web.request_list", ("web.request_list", "web.request_withdraw")),
    ),
    (
        ("Policy", "book", "web.policy_page", _POLICY),
        ("Audit", "trail", "web.audit_page", ("web.audit_page", "web.audit_export")),
        ("Docs", "page", "web.docs_index", _DOCS),
    ),
)


def without_visitor() -> None:
    """Draw the frame of this answer without asking the database who is there: it may be what is broken."""
    g.without_visitor = True


def theme() -> Theme:
    """Return the theme this browser chose."""
    chosen = request.cookies.get(THEME_COOKIE, "")
    return Theme(chosen) if chosen in set(Theme) else Theme.SYSTEM


@portal.app_context_processor
def frame() -> dict[str, Any]:
    """Give every template its frame."""
    known = "without_visitor" not in g and is_signed_in()
    groups = tuple(_items(group) for group in _GROUPS) if known else ()
    return {"frame": Frame(visitor() if known else None, groups, theme(), desk().demo)}


def _items(group: tuple[_Entry, ...]) -> tuple[NavItem, ...]:
    """Draw the entries that the visitor may open."""
    held = visitor().portal
    return tuple(_item(*entry) for entry in group if not (needs := _NEEDS.get(entry[2])) or needs & held)


def _item(label: str, icon: str, endpoint: str, covers: tuple[str, ...]) -> NavItem:
    return NavItem(label, icon, url_for(endpoint), request.endpoint in covers)
