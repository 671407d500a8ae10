"""The one moment a secret is shown: the page, its download without a script, and the test of the key."""

import re
from dataclasses import dataclass

from flask import Response, make_response, render_template, request
from flask.typing import ResponseReturnValue

from keymgr.keys.outcomes import AlreadyDone, Issued
from keymgr.keys.verdict import Question
from keymgr.policy.model import InForce
from keymgr.policy.wording import span
from keymgr.tokens.verdicts import HTTP_MEANINGS
from keymgr.web.approvals_waiting import without_count
from keymgr.web.docs_snippets import CALLS, Snippet, Target, snippets, variable_base
from keymgr.web.forge import Place, forge_of
from keymgr.web.portal import address, desk, now, only_reads, portal, wants_part
from keymgr.web.wording import rates

_TOKEN_LENGTH_MAX = 8192


@dataclass(frozen=True, slots=True)
class Revealed:
    """What the page says of the new key beside its secret; `variable` is its name in an environment."""

    variable: str
    file: str
    rule: str
    place: Place
    limits: str
    rotate_every: str | None
    snippets: tuple[Snippet, ...]


def reveal_page(issued: Issued, in_force: InForce, *, rotated: bool = False) -> Response:
    """Show the secret: the caller has committed, so a key whose secret was seen is always a key that exists."""
    without_count()
    rule, terms = issued.decision.rule, issued.decision.terms
    rotate_every = terms.limits.rotate_every_seconds
    variable, how = snippets_for(issued.service, issued.name)
    revealed = Revealed(
        variable=variable,
        file=f"{_file_name(issued.name)}.env",
        rule=rule.name,
        place=forge_of(in_force, desk().forge_url, desk().policy_folder).place(rule.source),
        limits=rates(terms.limits.rate_limits),
        rotate_every=None if rotate_every is None else span(rotate_every),
        snippets=how,
    )
    return make_response(
        render_template("keys/reveal.html", issued=issued, revealed=revealed, rotated=rotated, now=now())
    )


def snippets_for(service: str, name: str) -> tuple[str, tuple[Snippet, ...]]:
    """Write how a key is used, with the name of its environment variable where the secret would stand."""
    target = Target(service, environment="", scope="", file=f"{_file_name(name)}.env")
    return _variable(service), snippets(CALLS, target)


def already_page(done: AlreadyDone) -> Response:
    """Say that this form did its work before; the secret was shown then and is not shown again."""
    return make_response(render_template("keys/already.html", done=done, now=now()))


@portal.post("/keys/env")
@only_reads
def key_env() -> Response:
    """Hand the posted key back as a file, for browsers without a script; nothing of it is stored or logged."""
    variable = _variable(request.form.get("service", ""))
    response = make_response(f"{variable}={_posted_token()}\n")
    response.mimetype = "text/plain"
    name = _file_name(request.form.get("name", ""))
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.env"'
    return response


@portal.post("/keys/test")
@only_reads
def key_test() -> ResponseReturnValue:
    """Ask the verifier about the posted key and show its answer, as a service would hear it."""
    question = Question(
        token=_posted_token(),
        audience=request.form.get("service", ""),
        environment=request.form.get("environment") or None,
        address=None,
    )
    verdict = desk().verifier.verify(question, now())
    template = "keys/_test.html" if wants_part() else "keys/test.html"
    status = HTTP_MEANINGS[verdict.code].status
    return render_template(template, verdict=verdict, status=status, address=address())


def _posted_token() -> str:
    token = request.form.get("token", "").strip()
    return token if len(token) <= _TOKEN_LENGTH_MAX and token.isprintable() else ""


def _variable(service: str) -> str:
    """Name the environment variable after the service, such as `PAYMENTS_API_KEY`."""
    return f"{variable_base(service)}_API_KEY"


def _file_name(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40] or "key"
