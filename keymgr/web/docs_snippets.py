"""The code that integrators copy: one text for each, filled in with this installation's values, run by our tests."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

from flask import current_app

from keymgr.tokens.signing import Algorithm
from keymgr.web.portal import desk

_WORD = re.compile("@([A-Z]+)@")
_ALL = frozenset(Algorithm)
_PUBLISHED = frozenset({Algorithm.ES256, Algorithm.EDDSA, Algorithm.RS256})
_ES256 = frozenset({Algorithm.ES256})


class Proof(StrEnum):
    """What our tests do with a snippet: run it against a portal with real keys, or check its form."""

    RUN = "Run by the tests of keymgr"
    CHECKED = "Its command line is checked by the tests of keymgr"


@dataclass(frozen=True, slots=True)
class Source:
    """A snippet as it is stored: `file` is the name it is shown under, `path` where its text lies."""

    name: str
    title: str
    file: str
    path: str
    algorithms: frozenset[Algorithm] = _ALL
    proof: Proof = Proof.RUN


@dataclass(frozen=True, slots=True)
class Snippet:
    """A snippet as it is shown."""

    name: str
    title: str
    file: str
    text: str
    proof: Proof


def _own(name: str, title: str, file: str, **other: object) -> Source:
    return Source(name, title, file, f"templates/docs/snippets/{file}", **other)  # type: ignore[arg-type]  # fields by name.


_EVERY = (
    _own("verify-sh", "curl", "verify.sh"),
    _own("verify-offline-sh", "openssl and curl", "verify-offline.sh", algorithms=_ES256),
    Source("service-env", "Settings", "service.env", "templates/docs/snippets/service.env.txt"),
    _own("service-py", "Python", "service.py"),
    _own("verify-offline-py", "Python with PyJWT alone", "verify_offline.py", algorithms=_PUBLISHED),
    _own("verify-mjs", "Node", "verify.mjs"),
    _own("verify-offline-mjs", "Node without asking", "verify_offline.mjs", algorithms=_ES256),
    _own("verify-with-status-py", "With the status list", "verify_with_status.py", algorithms=_PUBLISHED),
    _own("call-sh", "curl", "call.sh"),
    _own("call-py", "Python", "call.py"),
    _own("call-mjs", "Node", "call.mjs"),
    _own("github-actions", "GitHub Actions", "github-actions.yml"),
    _own("kubernetes", "Kubernetes", "kubernetes.sh", proof=Proof.CHECKED),
    _own("docker", "Docker", "docker.sh", proof=Proof.CHECKED),
    _own("retry-py", "Waiting as long as asked", "retry.py"),
    _own("rotating-py", "A key that is replaced while the program runs", "rotating.py"),
    _own("test-service-py", "Tests without keymgr", "test_service.py"),
    _own("check-service-sh", "A look at the running service", "check-service.sh"),
    Source("nginx", "nginx", "keymgr.conf", "deploy/gateways/nginx.conf.example"),
    Source("caddy", "Caddy", "Caddyfile", "deploy/gateways/Caddyfile.example"),
)
SOURCES: Mapping[str, Source] = {source.name: source for source in _EVERY}
CALLS = ("call-sh", "call-py", "call-mjs", "github-actions", "kubernetes", "docker")


@dataclass(frozen=True, slots=True)
class Target:
    """What snippets speak of: one service, one of its environments and scopes, and a file with a key in it."""

    service: str
    environment: str
    scope: str
    file: str


def snippets(names: Iterable[str], target: Target) -> tuple[Snippet, ...]:
    """Fill in the named snippets; what cannot be done with this installation's signatures is left out."""
    issuer, url = desk().issuer, desk().public_url
    values = {
        "URL": url,
        "ISSUER": issuer.url,
        "JWKS": f"{url}/.well-known/jwks.json",
        "STATUS": issuer.status_uri,
        "ALGORITHM": issuer.algorithm.value,
        "SERVICE": target.service,
        "ENV": target.environment,
        "SCOPE": target.scope,
        "PATH": target.scope.partition(":")[0],
        "FILE": target.file,
        "KEY": f"{variable_base(target.service)}_API_KEY",
        "ADDRESS": f"{variable_base(target.service)}_API_URL",
    }
    found = (SOURCES[name] for name in names)
    return tuple(_filled(source, values) for source in found if issuer.algorithm in source.algorithms)


def variable_base(service: str) -> str:
    """Name a service as the beginning of an environment variable, such as `PAYMENTS` of `PAYMENTS_API_KEY`."""
    base = re.sub(r"[^A-Z0-9]+", "_", service.upper()).strip("_")[:40] or "SERVICE"
    return base.removesuffix("_API")


def _filled(source: Source, values: Mapping[str, str]) -> Snippet:
    """Replace `@WORD@`; a word that only the operator of a gateway knows stays as it is."""
    text = _read(Path(str(current_app.template_folder)).parent / source.path)
    filled = _WORD.sub(lambda found: values.get(found[1], found[0]), text)
    return Snippet(source.name, source.title, source.file, filled.rstrip("\n"), source.proof)


@cache
def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")
