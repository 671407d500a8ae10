"""What surrounds every page: navigation that shows only what exists and may be opened, theme, and the demo's banner."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from flask import g, request, url_for

from keymgr.people.whois import Visitor
from keymgr.policy.model import PortalPermission
from keymgr.web.approvals_waiting import concerns_approvals
from keymgr.web.portal import desk, portal
from keymgr.web.visiting import is_signed_in, visitor
from keymgr.web.zone import preferences

THEME_COOKIE = "keymgr-theme"


class Theme(StrEnum):
    """How pages are coloured; `system` follows the device."""

    SYSTEM = "system"
    LIGHT = "light"
    DARK = "dark"


@dataclass(frozen=True, slots=True)
class NavItem:
    """One entry of the navigation; `current` marks where the visitor is, `counted` bears the number that waits."""

    label: str
    icon: str
    url: str
    current: bool
    counted: bool


@dataclass(frozen=True, slots=True)
class Frame:
    """The frame of one page; without a visitor there is no navigation."""

    visitor: Visitor | None
    groups: tuple[tuple[NavItem, ...], ...]
    theme: Theme
    demo: bool
    shortcuts: bool = False


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
_REQUESTS = (
    "web.request_list",
    "web.request_page",
    "web.request_edit",
    "web.request_edit_submit",
    "web.request_answer",
    "web.request_claim",
    "web.request_claim_submit",
)
_APPROVALS = (
    "web.approval_list",
    "web.approval_page",
    "web.approval_decide",
    "web.approval_question",
    "web.approval_break_glass",
    "web.approval_review",
)
_ADMIN = (
    "web.admin_page",
    "web.admin_people",
    "web.admin_person",
    "web.admin_person_new",
    "web.admin_person_add",
    "web.admin_person_state",
    "web.admin_person_state_set",
    "web.admin_person_password",
    "web.admin_accounts",
    "web.admin_account_add",
    "web.admin_account_state",
    "web.admin_account_state_set",
    "web.admin_identity",
    "web.admin_signing_keys",
    "web.admin_signing_key_roll",
    "web.admin_signing_key_retire",
    "web.admin_credentials",
    "web.admin_credential_create",
    "web.admin_credential_revoke",
    "web.admin_webhooks",
    "web.admin_settings",
    "web.admin_about",
)
_Entry = tuple[str, str, str, tuple[str, ...]]
_NEEDS: Mapping[str, frozenset[PortalPermission]] = {
    "web.audit_page": frozenset({PortalPermission.ADMIN, PortalPermission.AUDITOR}),
    "web.admin_page": frozenset({PortalPermission.ADMIN}),
}
"""Pages that are not for everybody: who opens one holds any of these. An endpoint that is not here is for all."""
_GROUPS: tuple[tuple[_Entry, ...], ...] = (
    (
        ("Home", "home", "web.home", ("web.home",)),
        (
            "My keys",
            "key",
            "web.key_list",
            (
                "web.key_list",
                "web.key_page",
                "web.key_rotate",
                "web.key_revoke",
                "web.key_identify",
                "web.key_identify_posted",
                "web.bulk_review",
                "web.bulk_review_posted",
                "web.bulk_done",
                "web.key_grace",
                "web.key_suspend",
                "web.key_resume",
            ),
        ),
        ("Request a key", "plus", "web.key_new", ("web.key_new", "web.key_create")),
        ("Requests", "tray", "web.request_list", _REQUESTS),
    ),
    (
        ("Approvals", "stamp", _APPROVALS[0], _APPROVALS),
        ("Policy", "book", "web.policy_page", _POLICY),
        ("Audit", "trail", "web.audit_page", ("web.audit_page", "web.audit_export")),
        ("Reports", "bars", "web.report_list", ("web.report_list", "web.report_page")),
        ("Docs", "page", "web.docs_index", _DOCS),
        ("Admin", "sliders", "web.admin_page", _ADMIN),
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
    return {"frame": Frame(visitor() if known else None, groups, theme(), desk().demo, preferences().shortcuts)}


def _items(group: tuple[_Entry, ...]) -> tuple[NavItem, ...]:
    """Draw the entries that the visitor may open."""
    return tuple(_item(*entry) for entry in group if _may_open(entry[2]))


def _may_open(endpoint: str) -> bool:
    if endpoint == _APPROVALS[0]:
        return concerns_approvals(visitor())
    needs = _NEEDS.get(endpoint)
    return not needs or bool(needs & visitor().portal)


def _item(label: str, icon: str, endpoint: str, covers: tuple[str, ...]) -> NavItem:
    return NavItem(label, icon, url_for(endpoint), request.endpoint in covers, endpoint == _APPROVALS[0])
