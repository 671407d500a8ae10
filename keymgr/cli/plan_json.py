"""A plan for programs: everything, with a version. docs/policy-plan.md says what each field means."""

from typing import Any

from keymgr.cli.plan_review import Review, moment
from keymgr.policy.existing import Standing
from keymgr.policy.guards import Trip, ack_document
from keymgr.policy.model import Source
from keymgr.policy.plan_capabilities import CapabilityChange, Delta
from keymgr.policy.plan_examples import Example, Outcome
from keymgr.policy.plan_keys import KeyImpact, KeyReport
from keymgr.policy.plan_objects import Action, ObjectChange


def review_as_json(review: Review) -> dict[str, Any]:
    """Return the plan as plain data."""
    plan = review.plan
    return {
        "policy_set": plan.name,
        "base": None if plan.base_digest is None else {"digest": plan.base_digest, "label": review.base_label},
        "head": {"digest": plan.head_digest},
        "result": review.result,
        "next": review.next_step,
        "totals": _totals(review),
        "object_changes": [_object(change) for change in plan.objects],
        "capability_changes": [_capability(change) for change in plan.capabilities],
        "key_impact": None if plan.keys is None else _keys(plan.keys),
        "guards": _guards(review),
        "tests": {"run": len(review.tests.results), "failed": len(review.tests.failures)},
    }


def _totals(review: Review) -> dict[str, Any]:
    plan = review.plan
    return {
        "objects": {action.value: plan.count(action) for action in Action},
        "capabilities": {delta.value: review.delta(delta) for delta in Delta} | {"cells": plan.cells},
    }


def place(source: Source | None) -> dict[str, Any] | None:
    """Return a place in a file."""
    return None if source is None else {"file": source.file, "line": source.line, "column": source.column}


def _object(change: ObjectChange) -> dict[str, Any]:
    return {
        "action": change.action.value,
        "kind": change.kind,
        "name": change.name,
        "previous_name": change.previous_name,
        "protected": change.protected,
        "source": place(change.source),
        "changes": [
            {
                "path": each.path,
                "before": each.before,
                "after": each.after,
                "via": each.via,
                "source": place(each.source),
            }
            for each in change.changes
        ],
    }


def _capability(change: CapabilityChange) -> dict[str, Any]:
    return {
        "action": change.delta.value,
        "widens": change.widens,
        "teams": sorted(change.subject.teams),
        "roles": sorted(change.subject.roles),
        "owner": change.subject.owner,
        "owner_kinds": [kind.value for kind in change.kinds],
        "service": change.service,
        "scopes": [{"name": name, "risk": risk.value} for name, risk in change.scopes],
        "environments": list(change.environments),
        "cells": change.cells,
        "limits": [
            {"term": each.term, "before": each.before, "after": each.after, "direction": each.direction.value}
            for each in change.limits
        ],
        "cause": {
            "kind": change.cause.kind,
            "name": change.cause.name,
            "removed": change.cause.removed,
            "source": place(change.cause.source),
        },
        "example": None if change.example is None else _example(change.example),
    }


def _example(example: Example) -> dict[str, Any]:
    return {
        "owner_kind": example.asker.kind.value,
        "teams": sorted(example.asker.teams),
        "roles": sorted(example.asker.roles),
        "service": example.wish.service,
        "environment": example.wish.environment,
        "scopes": sorted(example.wish.scopes),
        "ttl_seconds": example.wish.ttl_seconds,
        "cidrs": list(example.wish.cidrs),
        "facts": dict(example.evidence.facts),
        "keys_held": example.evidence.keys_held,
        "before": _outcome(example.before),
        "after": _outcome(example.after),
    }


def _outcome(outcome: Outcome) -> dict[str, Any]:
    return {
        "decision": outcome.decision,
        "reason": outcome.reason,
        "rule": outcome.rule,
        "approval_steps": outcome.approval_steps,
    }


def _keys(keys: KeyReport) -> dict[str, Any]:
    return {
        "checked": keys.checked,
        "losing": keys.losing,
        "counts": {effect.value: number for effect, number in keys.counts.items()},
        "keys": [_key(impact) for impact in keys.impacts],
    }


def _key(impact: KeyImpact) -> dict[str, Any]:
    return {
        "id": impact.key.id,
        "teams": sorted(impact.key.asker.teams),
        "service": impact.key.service,
        "environment": impact.key.environment,
        "effect": impact.effect.value,
        "before": None if impact.before is None else _standing(impact.before),
        "after": _standing(impact.after),
        "due_at": None if impact.due_at is None else moment(impact.due_at),
        "last_used_at": None if impact.key.last_used_at is None else moment(impact.key.last_used_at),
        "expires_at": moment(impact.key.expires_at),
    }


def _standing(standing: Standing) -> dict[str, Any]:
    return {
        "verdict": standing.verdict.value,
        "rule": standing.rule,
        "action": None if standing.action is None else standing.action.value,
        "reasons": [
            {"code": unmet.reason.value, "message": unmet.sentence, "source": place(unmet.source)}
            for unmet in standing.reasons
        ],
    }


def _guards(review: Review) -> dict[str, Any]:
    guards = review.plan.guards
    return {
        "keys_judged": guards.keys_judged,
        "trips": [_trip(trip, review) for trip in guards.trips],
        "acks": [
            {"name": each.ack.name, "guard": each.ack.spec.guard.value, "state": each.state.value}
            for each in guards.acks
        ],
    }


def _trip(trip: Trip, review: Review) -> dict[str, Any]:
    return {
        "guard": trip.guard.value,
        "value": trip.value,
        "limit": trip.limit,
        "items": list(trip.items),
        "excused_by": trip.excused_by.name if trip.excused_by else None,
        "ack": dict(ack_document(trip, review.plan.base_digest or "")),
    }
