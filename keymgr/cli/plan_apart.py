"""Makes one plan in a process of its own: `python -m keymgr.cli.plan_apart`, started by the server for each request.

A plan takes processor time and memory that must not be the server's: here both have a limit, and verification goes on
beside it. What to plan comes on stdin, the answer goes to stdout, both as one JSON object; nothing is ever written.
"""

import importlib
import json
import os
import resource
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.orm import Session

from keymgr.cli.plan_json import review_as_json
from keymgr.cli.plan_review import Review, clean
from keymgr.cli.policy_plan import GUARD_TRIPPED
from keymgr.cli.policy_report import INVALID, envelope, problems_as_json
from keymgr.policy.problems import Problem
from keymgr.policy.replay import Replayed
from keymgr.policy.wording import count
from keymgr.reconcile.remote_plan import BaseMoved, BaseUnreadable, Planned, owners_of, plan_proposal
from keymgr.store.engine import connect_once

_MEMORY_BYTES = 2 * 1024**3
_SECONDS = 60
_NICE = 5
_REPORT_MAX = 60_000
_OWNERS_MAX = 500


def main() -> int:
    """Answer the one question on stdin; 0 unless something unexpected happens."""
    _limit(resource.RLIMIT_AS, _MEMORY_BYTES)
    _limit(resource.RLIMIT_CPU, _SECONDS)
    os.nice(_NICE)
    asked = json.load(sys.stdin)
    json.dump(answer(asked, datetime.now(UTC)), sys.stdout)
    return 0


def _limit(what: int, most: int) -> None:
    """Take no more than this, or what the system allows at most; not every system knows every limit."""
    allowed = resource.getrlimit(what)[1]
    bound = most if allowed == resource.RLIM_INFINITY else min(most, allowed)
    with suppress(ValueError, OSError):
        resource.setrlimit(what, (bound, bound))


def answer(asked: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Return the plan, or what keeps it from being made (`hindrance`)."""
    engine = connect_once(asked["database_url"]).execution_options(read_only=True)
    files = {path: text.encode("utf-8", "surrogatepass") for path, text in asked["files"].items()}
    with Session(engine) as session:
        outcome = plan_proposal(
            session, files, now=now, expect_base=asked["base_digest"], replay_days=asked["replay_days"]
        )
        match outcome:
            case BaseMoved():
                return {"hindrance": "stale", "digest": outcome.digest}
            case BaseUnreadable():
                return {"hindrance": "unreadable", "revision": outcome.revision}
            case Planned():
                review = Review(outcome.plan, outcome.head, outcome.tests, asked["folder"], outcome.base)
                ids = [each.key.id for each in outcome.plan.keys.impacts] if outcome.plan.keys else []
                owners = owners_of(session, ids) if asked["show_owners"] else None
                return _told(review, asked, owners, outcome.replayed)
            case _:
                return _invalid(outcome, asked)


def _told(
    review: Review, asked: Mapping[str, Any], owners: Mapping[str, str] | None, replayed: Replayed | None
) -> dict[str, Any]:
    exit_code = GUARD_TRIPPED if review.plan.is_blocked else 0
    told = envelope("plan", exit_code=exit_code, problems=[], **review_as_json(review))
    if owners is not None and told["key_impact"] is not None:
        for key in told["key_impact"]["keys"]:
            key["owner"] = owners.get(key["id"])
    told["replay"] = None if replayed is None else _replay(replayed, asked["replay_days"])
    form = asked["format"]
    if form != "json":
        text = importlib.import_module(f"keymgr.cli.plan_{form}").render(review)
        for more in (_replay_line(form, told["replay"]), _owners(form, owners or {})):
            text += more if form == "human" or len(text) + len(more) <= _REPORT_MAX else ""
        told["report"] = text
    return told


def _replay(replayed: Replayed, days: int) -> dict[str, int]:
    return {
        "days": days,
        "decisions": replayed.decisions,
        "newly_denied": replayed.newly_denied,
        "newly_allowed": replayed.newly_allowed,
        "with_approval": replayed.with_approval,
        "at_once": replayed.at_once,
    }


def _replay_line(form: str, replay: Mapping[str, int] | None) -> str:
    """Return what would have become of past requests, after the report."""
    if replay is None or form == "github":
        return ""
    title = "**Replay:**" if form == "markdown" else "Replay:"
    return (
        f"\n\n{title} of {count(replay['decisions'], 'request')} decided in {count(replay['days'], 'day')}, "
        f"{replay['newly_denied']} would now be refused, {replay['newly_allowed']} newly allowed, "
        f"{replay['with_approval']} need an approval that needed none, {replay['at_once']} no approval any more."
    )


def _owners(form: str, owners: Mapping[str, str]) -> str:
    """Return who owns the keys of the plan, the first of them, after the report."""
    lines = [(clean(key), clean(owner).replace("`", "'")) for key, owner in list(owners.items())[:_OWNERS_MAX]]
    if not lines or form == "github":
        return ""
    if form == "markdown":
        rows = "\n".join(f"| `{key}` | `{owner}` |" for key, owner in lines)
        title = f"<details><summary>Owners of these keys ({len(owners)})</summary>"
        return f"\n\n{title}\n\n| key | owner |\n| --- | --- |\n{rows}\n\n</details>"
    return "\n\nOwners\n" + "\n".join(f"  {key}  {owner}" for key, owner in lines)


def _invalid(problems: tuple[Problem, ...], asked: Mapping[str, Any]) -> dict[str, Any]:
    told = envelope("plan", exit_code=INVALID, result="invalid", problems=problems_as_json(problems))
    if asked["format"] == "markdown":
        render = importlib.import_module("keymgr.cli.plan_markdown").render_problems
        told["report"] = render("", asked["folder"], problems)
    return told


if __name__ == "__main__":
    sys.exit(main())
