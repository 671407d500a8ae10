"""`keymgr policy who-can`: who may hold a scope, by which rule and on which terms."""

from datetime import UTC, datetime
from typing import Any

import click

from keymgr.cli.plan_json import place
from keymgr.cli.plan_review import clean
from keymgr.cli.policy import folder_argument, formats, read_all, refuse
from keymgr.cli.policy_report import say_json
from keymgr.policy import plan_words as words
from keymgr.policy.capability import Way
from keymgr.policy.problems import nearest
from keymgr.policy.read import ReadPolicy
from keymgr.policy.who_can import Holder, UnknownName
from keymgr.policy.who_can import who_can as find
from keymgr.policy.wording import count

_PEOPLE_SHOWN = 8


@click.command("who-can")
@folder_argument
@click.option("--service", required=True, metavar="NAME", help="The service that the key is for.")
@click.option("--scope", metavar="NAME", help="Only this scope; every one when left out.")
@click.option("--env", "environment", metavar="NAME", help="Only this environment; every one when left out.")
@formats("human", "json")
def who_can(*, folder: str, service: str, scope: str | None, environment: str | None, form: str) -> int:
    """Say who may hold keys for a service by the policy in DIR, by which rule, and on which terms."""
    now = datetime.now(UTC)
    found = read_all(folder, now=now)
    if not isinstance(found, ReadPolicy):
        return refuse("who-can", folder, form, found)
    holders = find(found.policy, service, scope, environment, now=int(now.timestamp()))
    if isinstance(holders, UnknownName):
        raise click.UsageError(f"there is no {holders.noun} {holders.name}; {nearest(holders.name, holders.known)}")
    if form == "json":
        asked = {"service": service, "scope": scope, "environment": environment}
        return say_json("who-can", exit_code=0, problems=[], asked=asked, holders=[_as_json(each) for each in holders])
    for holder in holders:
        _say(holder)
    click.echo(f"{count(len(holders), 'group')} can hold this." if holders else "Nobody can hold this.")
    return 0


def _say(holder: Holder) -> None:
    deciding = holder.capability.deciding
    click.echo(
        f"{clean(holder.subject)} / {holder.kind}   {', '.join(holder.scopes)}   {', '.join(holder.environments)}"
    )
    for way in holder.capability.ways:
        mark = "by" if way is deciding else "or by"
        click.echo(f"    {mark} {way.rule.name} ({way.rule.source.file}:{way.rule.source.line}): {clean(_terms(way))}")
    if holder.people:
        more = f" and {len(holder.people) - _PEOPLE_SHOWN} more" if len(holder.people) > _PEOPLE_SHOWN else ""
        click.echo(f"    named in the policy: {', '.join(holder.people[:_PEOPLE_SHOWN])}{more}")


def _terms(way: Way) -> str:
    parts = [
        count(way.steps, "approval step") if way.steps else "at once",
        f"max_ttl {words.duration(way.limits.max_ttl_seconds)}",
        count(way.limits.max_keys_per_owner, "key"),
    ]
    if way.limits.cidrs.required or way.limits.cidrs.within:
        parts.append(f"networks {words.cidr_rule(way.limits.cidrs)}")
    if way.limits.rate_limits:
        parts.append(f"rate {words.windows(way.limits.rate_limits)}")
    if way.conditions:
        parts.append(f"if {words.conditions(way.conditions)}")
    parts.extend(f"but {wall}" for wall in sorted(way.walls))
    return "; ".join(parts)


def _as_json(holder: Holder) -> dict[str, Any]:
    return {
        "teams": sorted(holder.subject.teams),
        "roles": sorted(holder.subject.roles),
        "owner": holder.subject.owner,
        "owner_kind": holder.kind.value,
        "people": list(holder.people),
        "scopes": list(holder.scopes),
        "environments": list(holder.environments),
        "needs_approval": holder.capability.needs_approval,
        "ways": [_way(way) for way in holder.capability.ways],
    }


def _way(way: Way) -> dict[str, Any]:
    limits = way.limits
    return {
        "rule": way.rule.name,
        "source": place(way.rule.source),
        "approval_steps": way.steps,
        "approvers": words.steps(way.rule.approval.steps),
        "max_ttl_seconds": limits.max_ttl_seconds,
        "min_ttl_seconds": way.ttl_min_seconds,
        "max_keys_per_owner": limits.max_keys_per_owner,
        "rotate_every_seconds": limits.rotate_every_seconds,
        "cidrs": {
            "required": limits.cidrs.required,
            "within": [str(network) for network in limits.cidrs.within],
            "max_entries": limits.cidrs.entries_max,
            "forbidden": [str(network) for network in way.forbidden_cidrs],
        },
        "rate_limits": [
            {"name": each.name, "requests": each.requests, "per_seconds": each.per_seconds}
            for each in limits.rate_limits
        ],
        "conditions": [words.condition(each) for each in way.conditions],
        "walls": sorted(way.walls),
    }
