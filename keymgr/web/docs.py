"""Documentation for those who build on keys, filled in with this installation's values and the service they choose."""

from dataclasses import dataclass
from urllib.parse import urlencode

from flask import abort, render_template, request
from flask.typing import ResponseReturnValue

from keymgr import __version__
from keymgr.policy.model import Service
from keymgr.tokens.verdicts import HTTP_MEANINGS
from keymgr.web.docs_claims import CLAIMS, HEADER, examples
from keymgr.web.docs_snippets import CALLS, Target, snippets, variable_base
from keymgr.web.portal import desk, open_to_all, portal
from keymgr.web.visiting import in_force, is_signed_in

_NOBODYS = Target("your-service", "prod", "things:read", "your-service.env")


@dataclass(frozen=True, slots=True)
class Guide:
    """One page: its name in the address, what it is called in the list beside the pages and on itself, and its code."""

    name: str
    label: str
    title: str
    about: str
    snippets: tuple[str, ...] = ()


GUIDES = (
    Guide("verify", "Verify", "Verify in 60 seconds", "Decide in your service whether a presented key is good."),
    Guide("call", "Call", "Call with a key", "Send a key from a program, a pipeline or a container.", CALLS),
    Guide("link", "Ask by link", "A link that asks for a key", "Send people to the form, already filled in."),
    Guide(
        "gateways",
        "Gateways",
        "Let a gateway decide",
        "Protect a service without changing it.",
        ("nginx", "caddy"),
    ),
    Guide(
        "offline",
        "Offline",
        "Verify offline, revocation included",
        "What a check without a call sees, and how soon.",
        ("verify-with-status-py",),
    ),
    Guide(
        "testing",
        "Testing",
        "Test your service",
        "Prove that it refuses what it must.",
        ("test-service-py", "check-service-sh"),
    ),
    Guide(
        "rotating",
        "Rotating",
        "Rotate without downtime",
        "Replace a key while programs go on calling.",
        ("rotating-py",),
    ),
    Guide("claims", "Claims", "What is in a token", "Every claim, what it means and what to do with it."),
    Guide("limits", "Limits", "Rate-limit headers", "How limits are told, and how to wait.", ("retry-py",)),
)


@dataclass(frozen=True, slots=True)
class Way:
    """One way to verify: its language, whether it asks keymgr about each call, and its code."""

    name: str
    label: str
    asks: bool
    snippets: tuple[str, ...]


WAYS = (
    Way("curl", "curl", asks=True, snippets=("verify-sh",)),
    Way("python", "Python", asks=True, snippets=("service-env", "service-py")),
    Way("node", "Node", asks=True, snippets=("verify-mjs",)),
    Way("pyjwt", "PyJWT alone", asks=False, snippets=("verify-offline-py",)),
    Way("node-offline", "Node offline", asks=False, snippets=("verify-offline-mjs",)),
    Way("openssl", "openssl", asks=False, snippets=("verify-offline-sh",)),
)


@dataclass(frozen=True, slots=True)
class Aim:
    """Which service the pages speak of: `chosen` by name, or None for made-up names; `asked` is what was asked for."""

    asked: str
    chosen: str | None
    services: tuple[str, ...]
    scopes: tuple[str, ...]
    target: Target


def aim() -> Aim:
    """Read which service is asked for; names of services and scopes are for people who are signed in."""
    asked = request.args.get("service", "")[:80]
    policy = in_force() if is_signed_in() else None
    services = {} if policy is None else policy.policy.services
    found = services.get(asked)
    if found is None:
        return Aim(asked, None, tuple(sorted(services)), (), _NOBODYS)
    return Aim(asked, found.name, tuple(sorted(services)), tuple(found.scopes), _target(found))


def _target(service: Service) -> Target:
    scope = next(iter(service.scopes), _NOBODYS.scope)
    environment = service.environments[-1] if service.environments else _NOBODYS.environment
    return Target(service.name, environment, scope, f"{service.name}.env")


@portal.app_context_processor
def docs_frame() -> dict[str, object]:
    """Give the pages their list of pages and the version whose tests ran the code."""
    return {"guides": GUIDES, "version": __version__}


@portal.get("/docs")
@open_to_all
def docs_index() -> ResponseReturnValue:
    """Show what there is to read, and this installation's addresses."""
    return render_template("docs/index.html", **_values(aim()))


@portal.get("/docs/<page>")
@open_to_all
def docs_page(page: str) -> ResponseReturnValue:
    """Show one page."""
    guide = next((guide for guide in GUIDES if guide.name == page), None)
    if guide is None:
        abort(404)
    aimed = aim()
    way = next((way for way in WAYS if way.name == request.args.get("way")), WAYS[0])
    shown = snippets(way.snippets if guide.name == "verify" else guide.snippets, aimed.target)
    return render_template(f"docs/{guide.name}.html", guide=guide, way=way, snippets=shown, **_values(aimed))


def _values(aimed: Aim) -> dict[str, object]:
    """Say what the pages speak of: this installation, and the service that was chosen."""
    issuer, url, target = desk().issuer, desk().public_url, aimed.target
    head = {"alg": issuer.algorithm.value, "kid": "km-…", "typ": "at+jwt"}
    shown = examples(
        issuer=issuer.url,
        status_uri=issuer.status_uri,
        service=target.service,
        environment=target.environment,
        scope=target.scope,
    )
    return {
        "aim": aimed,
        "url": url,
        "issuer": issuer,
        "jwks": f"{url}/.well-known/jwks.json",
        "ways": WAYS,
        "variable": variable_base(target.service),
        "verdicts": HTTP_MEANINGS,
        "links": tuple((scope, _ask_link(aimed.target, scope)) for scope in aimed.scopes or (target.scope,)),
        "head": tuple((name, meaning, head[name]) for name, meaning in HEADER.items()),
        "shown": tuple((name, meaning, shown[name]) for name, meaning in CLAIMS.items()),
    }


def _ask_link(target: Target, scope: str) -> str:
    """Write the address of the form, filled in."""
    fields = {
        "service": target.service,
        "environment": target.environment,
        "scope": scope,
        "name": f"{target.service} client",
    }
    return f"{desk().public_url}/keys/new?{urlencode(fields, safe=':')}"
