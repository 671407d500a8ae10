"""A sign-in that is about to end by itself: every page knows when, and one click lets it go on."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from flask import Response, render_template
from flask.typing import ResponseReturnValue

from keymgr.people.sessions import is_due
from keymgr.web.portal import desk, now, only_reads, portal, wants_part
from keymgr.web.visiting import visitor


@dataclass(frozen=True, slots=True)
class Ending:
    """When the sign-in ends, in seconds from now: unless it is used, and in any case; `idle` is what each use gives."""

    seconds: int
    final: int
    idle: int


def ending() -> Ending:
    """Work out when the visitor's sign-in ends; this very request counts as use."""
    idle = desk().session_idle_seconds
    unused = 0.0 if is_due(visitor(), now()) else (now() - visitor().seen_at).total_seconds()
    final = visitor().began_at + timedelta(seconds=desk().session_absolute_seconds) - now()
    return Ending(int(idle - unused), max(0, int(final.total_seconds())), idle)


@portal.app_context_processor
def ending_of_page() -> dict[str, Any]:
    """Give templates the ending as a function, so that a page without a visitor asks nothing."""
    return {"ending": ending}


@portal.get("/stay", endpoint="stay_page")
@portal.post("/stay")
@only_reads
def stay() -> ResponseReturnValue:
    """Let the sign-in go on, which every request does; htmx gets nothing to swap, so that no input is lost."""
    if wants_part():
        return Response(status=204)
    ends = ending()
    return render_template("sign_in/stay.html", at=now() + timedelta(seconds=min(ends.seconds, ends.final)), now=now())
