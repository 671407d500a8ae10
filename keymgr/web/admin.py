"""The admins' first page, jobs and health, and what they look up: identity provider, webhooks, settings, about."""

import platform
from collections.abc import Iterator

from flask import render_template
from flask.typing import ResponseReturnValue
from limits.errors import StorageError
from sqlalchemy import func, select

from keymgr import __version__, db
from keymgr.people.directory import find_service_accounts
from keymgr.people.first_admin import is_finished
from keymgr.policy.model import Policy, PortalPermission
from keymgr.reconcile.checkup import look_at_database, look_at_store
from keymgr.reconcile.finding import Finding, Level
from keymgr.store.people import Person, PersonState
from keymgr.store.policies import ForgeDelivery
from keymgr.web.forge import Place, forge_of
from keymgr.web.permission import needs
from keymgr.web.portal import desk, now, portal
from keymgr.web.visiting import in_force

_DELIVERIES_SHOWN = 20
_MARKS = {Level.OK: ("ok", "good", "OK"), Level.WARN: ("warn", "wait", "Look"), Level.FAIL: ("no", "bad", "Mend")}
_WORST_FIRST = (Level.FAIL, Level.WARN, Level.OK)


@portal.get("/admin")
@needs(PortalPermission.ADMIN)
def admin_page() -> ResponseReturnValue:
    """Show how the installation is, worst first, each finding with what to do."""
    findings = sorted(_findings(), key=lambda finding: _WORST_FIRST.index(finding.level))
    states = select(Person.state, func.count()).group_by(Person.state)
    return render_template(
        "admin/overview.html",
        findings=[(finding, *_MARKS[finding.level]) for finding in findings],
        to_mend=sum(finding.level is Level.FAIL for finding in findings),
        to_think=sum(finding.level is Level.WARN for finding in findings),
        people={PersonState(state): number for state, number in db.session().execute(states)},
        accounts=len(find_service_accounts(db.session())),
        set_up=desk().demo or is_finished(db.session()),
        opened=in_force(),
        now=now(),
    )


@portal.get("/admin/identity")
@needs(PortalPermission.ADMIN)
def admin_identity() -> ResponseReturnValue:
    """Show how people sign in, and which groups of an identity provider the policy waits for."""
    opened = in_force()
    return render_template(
        "admin/identity.html",
        groups=[] if opened is None else sorted(_groups(opened.policy), key=lambda group: group[:3]),
        minutes=desk().reauth_seconds // 60,
        idle=desk().session_idle_seconds // 60,
        hours=desk().session_absolute_seconds // 3600,
    )


@portal.get("/admin/webhooks")
@needs(PortalPermission.ADMIN)
def admin_webhooks() -> ResponseReturnValue:
    """Show what calls here: the forge's hook and its last deliveries; nothing is called from here yet."""
    latest = select(ForgeDelivery).order_by(ForgeDelivery.seen_at.desc()).limit(_DELIVERIES_SHOWN)
    return render_template(
        "admin/webhooks.html",
        installation=desk().installation,
        address=f"{desk().public_url}/api/v1/policy/hook",
        deliveries=db.session().scalars(latest).all(),
        now=now(),
    )


@portal.get("/admin/settings")
@needs(PortalPermission.ADMIN)
def admin_settings() -> ResponseReturnValue:
    """Show every setting; they are changed where the server is started, not here."""
    return render_template("admin/settings.html", settings=desk().installation.settings)


@portal.get("/admin/about")
@needs(PortalPermission.ADMIN)
def admin_about() -> ResponseReturnValue:
    """Show what runs here, and what to back up."""
    session = db.session()
    return render_template(
        "admin/about.html",
        version=__version__,
        python=platform.python_version(),
        database=look_at_database(session),
        is_file=session.get_bind().dialect.name == "sqlite",
        opened=in_force(),
        public_url=desk().public_url,
    )


def _findings() -> Iterator[Finding]:
    yield look_at_database(db.session())
    yield _counters()
    yield from look_at_store(db.session(), desk().issuer, now(), demo=desk().demo)


def _counters() -> Finding:
    """Say whether attempts and calls can be counted; without that, sign-in is closed."""
    storage = desk().throttle.limiter.storage
    try:
        counts = storage.check()
    except (StorageError, OSError):
        counts = False
    if counts:
        return Finding(Level.OK, "counters", "Calls and attempts to sign in are counted.")
    mend = "See that the folder of KEYMGR_COUNTERS is there, has room, and belongs to the server's account."
    return Finding(Level.FAIL, "counters", f"Nothing can be counted, so nobody can sign in. {mend}")


def _groups(policy: Policy) -> Iterator[tuple[str, str, str, Place]]:
    """Yield every group that the policy names, with what belonging to it gives and where that is written."""
    opened = in_force()
    assert opened is not None  # noqa: S101 - the caller has its policy.
    forge = forge_of(opened, desk().forge_url, desk().policy_folder)
    for kind, nouns in (("team", policy.teams.values()), ("role", policy.roles.values())):
        for noun in nouns:
            for group in noun.idp_groups:
                yield group, kind, noun.name, forge.place(noun.source)
