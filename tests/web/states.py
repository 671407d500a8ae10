"""Every page of the portal in every state it can be in: who sees it, where, and how one comes there.

`test_every_state.py` looks at each. A route of the census that answers with a page and has no state here fails there.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from playwright.sync_api import Page

Step = Callable[[Page], object]
Fields = Mapping[str, str | Sequence[str]]


@dataclass(frozen=True, slots=True)
class State:
    """One page in one state.

    `path` may name ids as `{active}`. With `sends` the page is the answer to a form posted to that path from there;
    `steps` are what somebody does then. `status` is that of the answer. `on` is the portal, `who` nobody for a guest.
    """

    name: str
    path: str
    who: str = "ben"
    on: str = "full"
    status: int = 200
    sends: tuple[str, Fields] | None = None
    steps: tuple[Step, ...] = ()
    is_swap: bool = False


def click(selector: str) -> Step:
    return lambda page: page.locator(selector).first.click()


def fill(selector: str, text: str) -> Step:
    return lambda page: page.fill(selector, text)


def tick(selector: str) -> Step:
    return lambda page: page.locator(selector).first.check()


def see(selector: str) -> Step:
    return lambda page: page.locator(selector).first.wait_for()


def unfold(page: Page) -> None:
    """Open every part of the page that can be opened."""
    page.evaluate("document.querySelectorAll('main details').forEach((node) => { node.open = true; })")


def swapped(name: str, path: str, button: str, shows: str, **more: str) -> State:
    """A state that a part of the page is replaced for."""
    return State(name, path, steps=(click(button), see(shows)), is_swap=True, **more)  # type: ignore[arg-type] # Texts.


GRANTED = "/keys/new?name=checkout+worker&service=payments&environment=dev&scope=charges:read"
MIXED = "/keys/new?service=payments&environment=prod&scope=charges:read&scope=refunds:write&scope=payouts:admin"
WHAT_IF = "/policy/what-if?as=group&team=payments&service=payments&environment=prod&scope=charges:read"
ORDER: dict[str, str | Sequence[str]] = {
    "name": "swept",
    "service": "payments",
    "environment": "dev",
    "scope": ["charges:read", "charges:write"],
}
LONG = "an-unbroken-name-that-somebody-made-with-a-script-" + "x" * 26

SIGNING_IN = (
    State("login", "/login", ""),
    State("login with problems", "/login", "", status=422, sends=("/login", {})),
    State("login that failed", "/login", "", status=422, sends=("/login", {"name": "ben", "password": "not-his-one"})),
    State("login, not a demo", "/login", "", on="plain"),
    State("not found, signed out", "/setup", "", status=404),
    State("a form without its token", "/login", "", status=403, sends=("/login", {"csrf_token": "x"})),
    State("stay", "/stay"),
    State("stayed", "/stay", sends=("/stay", {})),
    State("confirm", "/admin/people/finn", "old", status=403, sends=("/admin/people/finn/password", {"nonce": "c1"})),
    State(
        "confirm with problems",
        "/admin/people/finn",
        "old",
        status=422,
        sends=("/admin/people/finn/password", {"nonce": "c2", "password_again": ""}),
    ),
)
DOCS = (
    *(
        State(f"docs {page}", f"/docs/{page}?service=payments", "")
        for page in ("verify", "link", "call", "claims", "offline", "limits", "rotating", "gateways", "testing")
    ),
    State("docs", "/docs", ""),
    State("docs, signed in", "/docs?service=payments"),
    State("docs, unfolded", "/docs/verify?way=python&service=payments", steps=(unfold,)),
    State("docs errors", "/docs/errors", ""),
    State("docs error", "/docs/errors/key_revoked", ""),
    State("docs error not found", "/docs/errors/zebra", "", status=404),
    State("docs without policy", "/docs", "", on="bare"),
    State("docs verify without policy", "/docs/verify", "", on="bare"),
    State("inspect", "/docs/inspect", ""),
    State("inspect with problems", "/docs/inspect", "", status=422, sends=("/docs/inspect", {"token": ""})),
    State("inspect what is no token", "/docs/inspect", "", sends=("/docs/inspect", {"token": "zebra"})),
    State(
        "inspected",
        "/docs/inspect",
        "",
        sends=("/docs/inspect", {"token": "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4IiwiZXhwIjoxMDAwfQ.c2ln"}),
    ),
)
OWN = (
    State("home", "/"),
    State("home, nothing there", "/", "finn"),
    State("home of an admin", "/", "ada"),
    State("home without policy", "/", on="bare"),
    State("home, not a demo", "/", on="plain"),
    State("not found", "/nowhere", status=404),
    State("wrong method", "/", status=405, sends=("/policy", {})),
    State("me", "/me"),
    State("me of an admin", "/me", "ada"),
    State("me with problems", "/me", status=422, sends=("/me/preferences", {"time_zone": "Mars/Olympus"})),
    State("me with a flash", "/me", sends=("/me/preferences", {"time_zone": "Europe/Lisbon"})),
    State("no keys", "/keys", "finn"),
    State("keys", "/keys"),
    State("keys with all filters", "/keys?scope=charges:write&sort=calls&q=checkout", steps=(unfold,)),
    State("keys, no match", "/keys?q=zebra"),
    State("a key in the search", "/keys?q=eyJhbGciOiJFUzI1NiIsImtpZCI6ImttLTAxIn0.eyJqdGkiOiJ4In0.x"),
    State("keys on pages", "/keys?q=copy&page=2", "dana"),
    State("everybody's keys", "/keys?owner=everybody", "ada"),
    State("identify", "/keys/identify"),
    State("identify with problems", "/keys/identify", status=422, sends=("/keys/identify", {"token": ""})),
    State("identify nothing", "/keys/identify", sends=("/keys/identify", {"token": "zebra"})),
    State(
        "identified in place",
        "/keys/identify",
        steps=(fill("#token", "zebra"), click("main form button"), see("#answer")),
        is_swap=True,
    ),
    State("identified", "/keys/identify", sends=("/keys/identify", {"token": "{active}"})),
    State("password", "/me/password"),
    State("password with problems", "/me/password", status=422, sends=("/me/password", {})),
    State("bulk, none chosen", "/keys/bulk"),
    State("bulk review", "/keys/bulk?verb=revoke&key={active}&key={revoked}"),
    State("bulk review, none doable", "/keys/bulk?verb=revoke&key={revoked}"),
    State("bulk suspend", "/keys/bulk?verb=suspend&key={active}", "ada"),
    State("bulk posted", "/keys", sends=("/keys/bulk", {"verb": "revoke", "key": "{active}"})),
    State("bulk posted with problems", "/keys", status=422, sends=("/keys/bulk", {})),
    State(
        "bulk with problems",
        "/keys",
        status=422,
        sends=("/keys/bulk/done", {"verb": "revoke", "key": "{active}", "nonce": "b1"}),
    ),
    State(
        "bulk result",
        "/keys",
        "dana",
        sends=(
            "/keys/bulk/done",
            {
                "verb": "revoke",
                "key": [f"key_{n:026}" for n in (1, 2)],
                "reason": "leaked",
                "typed": "revoke 2 keys",
                "nonce": "b2",
            },
        ),
    ),
    State(
        "bulk already done",
        "/keys",
        "dana",
        sends=("/keys/bulk/done", {"verb": "revoke", "key": [f"key_{1:026}"], "reason": "leaked", "nonce": "b2"}),
    ),
)
ASKING = (
    State("ask", "/keys/new"),
    State("ask, granted", GRANTED),
    State("ask, mixed", MIXED, steps=(unfold,)),
    State("ask, refused", "/keys/new?service=reports&environment=prod&scope=traffic:read"),
    State("ask for a team", "/keys/new?service=payments&environment=dev&scope=charges:read&owner=svc:pay-ci"),
    State("ask checked by the server", "/keys/new", sends=("/keys/new", ORDER)),
    State("ask without policy", "/keys/new", on="bare", status=409),
    State("ask while issuing is off", "/keys/new", on="plain", status=409),
    State("ask while stopped", "/keys/new?service=shipping&environment=prod&scope=parcels:read", "finn"),
    State("ask with problems", "/keys/new", status=422, sends=("/keys", {})),
    swapped("ask with problems, in place", "/keys/new?service=payments&environment=dev", "#send", "#problems"),
    State("closed without policy", "/keys/new", on="bare", status=409, sends=("/keys", ORDER | {"nonce": "a0"})),
    State("closed while issuing is off", "/keys/new", on="plain", status=409, sends=("/keys", ORDER | {"nonce": "a0"})),
    State("reveal", "/keys/new", sends=("/keys", ORDER | {"nonce": "a1"}), steps=(unfold,)),
    State("already created", "/keys/new", sends=("/keys", ORDER | {"nonce": "a1"})),
    State(
        "reveal, tested",
        GRANTED,
        steps=(click("#send"), see("#token"), click("#test"), see(".test-result"), unfold),
        is_swap=True,
    ),
    State(
        "test of a key",
        "/keys",
        sends=("/keys/test", {"token": "km_dev_none", "service": "payments"}),
    ),
    State("duplicate", "/keys/{active}/duplicate"),
)
KEYS = (
    State("key", "/keys/{active}"),
    State("key, unfolded", "/keys/{active}?range=30d", steps=(unfold,)),
    State("key, the last day", "/keys/{active}?range=24h"),
    swapped("key, another span", "/keys/{active}", "#range-30d", "#range-30d[aria-current]"),
    State("key never used", "/keys/{long}", steps=(unfold,)),
    State("key that expires soon", "/keys/{expiring}"),
    State("key in grace", "/keys/{grace}", steps=(unfold,)),
    State("key revoked", "/keys/{revoked}"),
    State("key of somebody else", "/keys/{active}", "dana", status=404),
    State("key for an admin", "/keys/{grace}", "ada"),
    State("key without policy", "/keys/{active}", on="bare"),
    State("grace", "/keys/{grace}/grace"),
    State("no grace", "/keys/{active}/grace"),
    State("grace with problems", "/keys/{grace}/grace", status=422, sends=("/keys/{grace}/grace/extend", {})),
    State("grace that is over", "/keys/{active}/grace", status=409, sends=("/keys/{active}/grace/end", {})),
    State("rotation not undone", "/keys/{active}/grace", status=409, sends=("/keys/{active}/grace/undo", {})),
    State("rotate", "/keys/{active}/rotate"),
    State("rotate what is revoked", "/keys/{revoked}/rotate"),
    State("rotate with problems", "/keys/{active}/rotate", status=422, sends=("/keys/{active}/rotate", {})),
    State("rotated", "/keys/{spare}/rotate", sends=("/keys/{spare}/rotate", {"overlap": "0", "nonce": "r1"})),
    State("already rotated", "/keys/{spare}", sends=("/keys/{spare}/rotate", {"overlap": "0", "nonce": "r1"})),
    State("revoke", "/keys/{active}/revoke"),
    State("revoke what is revoked", "/keys/{revoked}/revoke"),
    State("revoke with problems", "/keys/{active}/revoke", status=422, sends=("/keys/{active}/revoke", {})),
    State(
        "revoked, with a flash",
        "/keys/{spare}/revoke",
        sends=("/keys/{spare}/revoke", {"reason": "leaked", "typed": "swept away", "nonce": "v1"}),
    ),
    State("suspend", "/keys/{active}/suspend", "ada"),
    State("suspend with problems", "/keys/{active}/suspend", "ada", status=422, sends=("/keys/{active}/suspend", {})),
    State(
        "suspended, with a flash",
        "/keys/{expiring}/suspend",
        "ada",
        sends=("/keys/{expiring}/suspend", {"note": "Odd traffic.", "nonce": "s1"}),
    ),
    State("key suspended", "/keys/{expiring}"),
    State("resume", "/keys/{expiring}/resume", "ada"),
    State("resume with problems", "/keys/{expiring}/resume", "ada", status=422, sends=("/keys/{expiring}/resume", {})),
)
REQUESTS = (
    State("requests", "/requests"),
    State("no requests", "/requests", "finn"),
    State("requests, no match", "/requests?state=zebra"),
    *(State(f"request {one}", f"/requests/{{{one}}}") for one in ("waiting", "approved", "refused", "two_step")),
    State("request of somebody else", "/requests/{waiting}", "finn", status=404),
    State("answer with problems", "/requests/{two_step}", status=422, sends=("/requests/{two_step}/answer", {})),
    State(
        "answered",
        "/requests/{two_step}",
        sends=("/requests/{two_step}/answer", {"text": "Two machines.", "nonce": "q"}),
    ),
    State("nudged", "/requests/{waiting}", sends=("/requests/{waiting}/nudge", {"nonce": "n"})),
    State("edit", "/requests/{waiting}/edit"),
    State("edit what is refused", "/requests/{refused}/edit"),
    State("edit with problems", "/requests/{waiting}/edit", status=422, sends=("/requests/{waiting}/edit", {})),
    State("claim", "/requests/{approved}/claim"),
    State("claim what waits", "/requests/{waiting}/claim"),
    State(
        "claim what is refused", "/requests/{refused}", status=409, sends=("/requests/{refused}/claim", {"nonce": "c0"})
    ),
    State(
        "claimed", "/requests/{approved}/claim", sends=("/requests/{approved}/claim", {"nonce": "c1"}), steps=(unfold,)
    ),
    State("already claimed", "/requests/{approved}", sends=("/requests/{approved}/claim", {"nonce": "c1"})),
    State("request claimed", "/requests/{approved}"),
    State("approvals", "/approvals", "cleo"),
    State("approvals, nothing waits", "/approvals", "finn"),
    State("approvals, no match", "/approvals?service=ledger", "cleo"),
    State("approvals without policy", "/approvals", on="bare"),
    State("approval", "/approvals/{waiting}", "cleo", steps=(unfold,)),
    State("approval, second step", "/approvals/{two_step}", "eli", steps=(unfold,)),
    State("approval of one's own", "/approvals/{waiting}"),
    State("approval over", "/approvals/{refused}", "eli"),
    State("approve with changes", "/approvals/{waiting}", "cleo", steps=(tick("input[value=change]"),)),
    State("approval with problems", "/approvals/{waiting}", "cleo", status=422, sends=("/approvals/{waiting}", {})),
    State(
        "refuse without a reason",
        "/approvals/{waiting}",
        "cleo",
        steps=(tick("input[value=refuse]"), click("text=Send decision"), see("#problems")),
        is_swap=True,
    ),
    State(
        "question with problems",
        "/approvals/{waiting}",
        "cleo",
        status=422,
        sends=("/approvals/{waiting}/question", {}),
    ),
    State(
        "emergency with problems",
        "/approvals/{two_step}",
        "ada",
        status=422,
        sends=("/approvals/{two_step}/break-glass", {}),
    ),
    State("review refused", "/approvals/{waiting}", status=403, sends=("/approvals/{waiting}/review", {})),
    State(
        "decision that came late",
        "/approvals/{waiting}",
        "cleo",
        status=409,
        sends=("/approvals/{waiting}", {"decision": "approve", "seen": "x", "nonce": "d0"}),
    ),
    State(
        "refused",
        "/approvals/{waiting}",
        "cleo",
        steps=(
            tick("input[value=refuse]"),
            fill("#reason", "Not today."),
            click("text=Send decision"),
            see("#result-heading"),
        ),
        is_swap=True,
    ),
    State(
        "granted in an emergency",
        "/approvals/{two_step}",
        "ada",
        steps=(
            click("text=Emergency: grant it alone"),
            fill("#emergency", "Payments are down."),
            click("text=Grant without approvals"),
            see("#result-heading"),
        ),
    ),
    State(
        "review with problems", "/approvals/{two_step}", "eli", status=422, sends=("/approvals/{two_step}/review", {})
    ),
    State("withdrawn", "/requests/{two_step}", sends=("/requests/{two_step}/withdraw", {"nonce": "w"})),
)
POLICY = (
    State("policy", "/policy"),
    State("policy for an admin", "/policy", "ada", steps=(unfold,)),
    State("policy without one", "/policy", on="bare"),
    *(
        State(f"policy {path}", f"/policy/{path}")
        for path in ("services/payments", "rules/payouts-oncall", "roles/developer")
    ),
    *(
        State(f"policy {path} for an admin", f"/policy/{path}", "ada")
        for path in ("services/payments", "roles/developer")
    ),
    State("service not found", "/policy/services/zebra", status=404),
    State("matrix", "/policy/matrix?service=payments&environment=prod"),
    State("matrix, nothing chosen", "/policy/matrix"),
    State("matrix of nobody", "/policy/matrix?service=ledger&who=nobody"),
    State("matrix without policy", "/policy/matrix", on="bare"),
    State("what if", "/policy/what-if"),
    State("what if, answered", f"{WHAT_IF}&scope=refunds:write", steps=(unfold,)),
    State("what if, compared", f"{WHAT_IF}&against=1", steps=(unfold,)),
    State("what if with problems", f"{WHAT_IF}&lifetime=zebra", status=422),
    State("what if without policy", "/policy/what-if", on="bare"),
    State(
        "what if pasted",
        "/policy/what-if",
        status=422,
        sends=(
            "/policy/what-if",
            {
                "service": "payments",
                "environment": "dev",
                "scope": "charges:read",
                "yaml": "kind: [",
                "path": "rules/x.yaml",
            },
        ),
        steps=(unfold,),
    ),
    State("revisions", "/policy/revisions"),
    State("no revisions", "/policy/revisions?before=1"),
    State("revision", "/policy/revisions/1", steps=(unfold,)),
    State("revision that changed things", "/policy/revisions/2", "ada", steps=(unfold,)),
    State("runs", "/policy/runs", "ada", steps=(unfold,)),
    State("runs refused", "/policy/runs", status=403),
    State("overrides", "/policy/overrides"),
    State("overrides for an admin", "/policy/overrides", "ada"),
    State("overrides without policy", "/policy/overrides", on="bare"),
    State("overrides with problems", "/policy/overrides", "ada", status=422, sends=("/policy/overrides", {})),
)
OVERSEEING = (
    State("audit", "/audit", "ada"),
    State("audit, unfolded", "/audit?action=policy.applied", "ada", steps=(unfold,)),
    State("audit, no match", "/audit?q=zebra&outcome=refused", "ada"),
    State("audit with problems", "/audit?from=yesterday", "ada", status=422),
    State("audit refused", "/audit", status=403),
    State("reports", "/reports", "ada"),
    State("reports of one's own", "/reports"),
    *(
        State(f"report {name}", f"/reports/{name}", "ada", steps=(unfold,))
        for name in ("expiring?span=60", "unused", "anomalies", "approval-times", "status", "owner-gone")
    ),
    State("report of one's own", "/reports/expiring", steps=(unfold,)),
    State("report, nothing there", "/reports/expiring", "finn"),
    State("report not found", "/reports/zebra", status=404),
)
ADMIN = (
    *(
        State(f"admin{path}", f"/admin{path}", "ada", steps=(unfold,))
        for path in (
            "",
            "/people",
            "/people?q=zebra",
            "/people/new",
            "/people/ben",
            "/people/ada",
            "/people/ben/state?to=left",
            "/people/ben/state?to=suspended",
            "/service-accounts",
            "/service-accounts/pay-ci/state?to=suspended",
            "/identity",
            "/signing-keys",
            "/service-credentials",
            "/webhooks",
            "/settings",
            "/about",
        )
    ),
    *(
        State(f"admin{path} without policy", f"/admin{path}", "ada", on="bare")
        for path in ("", "/service-accounts", "/service-credentials", "/webhooks", "/about")
    ),
    State("admin refused", "/admin", status=403),
    State("person not found", "/admin/people/zebra", "ada", status=404),
    *(
        State(f"{path} with problems", f"/admin{path}", "ada", status=422, sends=(f"/admin{to}", {}))
        for path, to in (
            ("/people/new", "/people"),
            ("/people/ben/state?to=left", "/people/ben/state"),
            ("/service-accounts", "/service-accounts"),
            ("/service-accounts/pay-ci/state?to=suspended", "/service-accounts/pay-ci/state"),
            ("/service-credentials", "/service-credentials"),
            ("/signing-keys", "/signing-keys/roll"),
        )
    ),
    State(
        "signing keys rolled, with a flash",
        "/admin/signing-keys",
        "ada",
        sends=("/admin/signing-keys/roll", {"typed": "roll", "nonce": "g"}),
    ),
    State(
        "credential shown once",
        "/admin/service-credentials",
        "ada",
        sends=("/admin/service-credentials", {"service": "payments", "nonce": "h"}),
    ),
    State("password shown once", "/admin/people/finn", "ada", sends=("/admin/people/finn/password", {"nonce": "i"})),
    State(
        "person shown once",
        "/admin/people/new",
        "ada",
        sends=("/admin/people", {"name": "eve", "display_name": "Eve " + "e" * 70, "nonce": "j"}),
    ),
    State("person with a long name", "/admin/people/eve", "ada"),
    State(
        "account added, with a flash",
        "/admin/service-accounts",
        "ada",
        sends=("/admin/service-accounts", {"name": "eve-ci", "team": "payments", "nonce": "k"}),
    ),
    State(
        "person suspended, with a flash",
        "/admin/people/finn",
        "ada",
        sends=("/admin/people/finn/state", {"to": "suspended", "note": "Away.", "nonce": "l"}),
    ),
)
FIRST_RUN = (
    State("login of an empty install", "/login", "", on="new"),
    State("setup", "/setup", "", on="new"),
    State("setup with problems", "/setup", "", on="new", status=422, sends=("/setup", {})),
    State("setup tasks", "/setup", "root", on="new"),
    State(
        "policy that is not there",
        "/setup",
        "root",
        on="new",
        status=422,
        sends=("/setup/policy", {"source": "elsewhere"}),
    ),
    State("test key too early", "/setup", "root", on="new", status=409, sends=("/setup/test-key", {"nonce": "t0"})),
    State("home of an empty install", "/", "root", on="new"),
    State("admin of an empty install", "/admin", "root", on="new"),
    State("setup with a policy", "/setup", "root", on="new", sends=("/setup/policy", {"source": "sample"})),
    State("setup with a signing key", "/setup", "root", on="new", sends=("/setup/signing-key", {})),
    State("setup with a verified key", "/setup", "root", on="new", sends=("/setup/test-key", {"nonce": "t1"})),
    State("setup finished", "/setup", "root", on="new", sends=("/setup/finish", {})),
)
STATES: Mapping[str, tuple[State, ...]] = {
    "signing in": SIGNING_IN,
    "docs": DOCS,
    "own": OWN,
    "asking": ASKING,
    "keys": KEYS,
    "requests and approvals": REQUESTS,
    "policy": POLICY,
    "audit and reports": OVERSEEING,
    "admin": ADMIN,
    "first run": FIRST_RUN,
}
