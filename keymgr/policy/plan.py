"""What a change of policy does, before anybody does it: objects, capabilities, live keys, and the guards it trips.

Read-only by construction: a plan is made of values and returns a value.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from keymgr.policy.existing import LiveKey
from keymgr.policy.guards import Change, GuardReport, judge
from keymgr.policy.matrix import matrix
from keymgr.policy.matrix_subjects import subjects_of
from keymgr.policy.plan_capabilities import CapabilityChange, Delta, capability_changes, cell_changes
from keymgr.policy.plan_causes import Move
from keymgr.policy.plan_keys import KeyReport, key_impact
from keymgr.policy.plan_objects import Action, ObjectChange, documents_that_count, object_changes
from keymgr.policy.plan_ripples import ripples
from keymgr.policy.read import ReadPolicy

_NO_GUARDS = GuardReport((), (), keys_judged=False)


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything a reviewer has to know; `keys` is None where no live keys were looked at.

    `cells` counts what somebody can hold before or after; `deltas` how many cells each kind of change has.
    """

    name: str
    base_digest: str | None
    head_digest: str
    objects: tuple[ObjectChange, ...]
    capabilities: tuple[CapabilityChange, ...]
    cells: int
    deltas: Mapping[Delta, int]
    keys: KeyReport | None
    guards: GuardReport

    @property
    def is_empty(self) -> bool:
        """Whether nothing changes at all."""
        return self.base_digest == self.head_digest and not self.capabilities

    @property
    def is_blocked(self) -> bool:
        """Whether a guard stops the change."""
        return bool(self.guards.blocking)

    def count(self, action: Action) -> int:
        """Return how many objects the action happens to."""
        return sum(change.action is action for change in self.objects)


def plan(
    base: ReadPolicy | None,
    head: ReadPolicy,
    *,
    now: int,
    keys: Iterable[LiveKey] | None = None,
    spent: Collection[str] = frozenset(),
) -> Plan:
    """Return what going from `base` to `head` does; None is no policy at all. `now` is in Unix seconds.

    `keys` are all live keys, None where they are not known; `spent` are the digests of acknowledgements used before.
    """
    before = base.policy if base else None
    move = _move(base, head, now)
    objects = tuple(move.changes.values())
    subjects = subjects_of([each for each in (before, head.policy) if each], now)
    old = matrix(before, now, subjects=subjects) if before else None
    new = matrix(head.policy, now, subjects=subjects, known=old)
    changed = cell_changes(old, new, move)
    impact = None if keys is None else key_impact(keys, before, head.policy, now, move.renamed_rules)
    guards = judge(Change(base, head, objects, changed, impact), now, spent) if base else _NO_GUARDS
    return Plan(
        name=head.policy.name,
        base_digest=before.digest if before else None,
        head_digest=head.policy.digest,
        objects=objects,
        capabilities=capability_changes(changed, move),
        cells=len((old.cells.keys() if old else set()) | new.cells.keys()),
        deltas=dict(Counter(change.delta for change in changed)),
        keys=impact,
        guards=guards,
    )


def _move(base: ReadPolicy | None, head: ReadPolicy, now: int) -> Move:
    old = base.documents if base else ()
    documents = documents_that_count(head.documents)
    changes = object_changes(old, head.documents)
    if base is not None:
        changes = ripples(base.policy, head.policy, documents, changes)
    return Move(
        base=base.policy if base else None,
        head=head.policy,
        head_documents=documents,
        changes={change.identity: change for change in changes},
        now=now,
    )
