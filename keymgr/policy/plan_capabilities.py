"""The second part of a plan: exactly who can hold what that they could not, who no longer can, and on which terms."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from keymgr.policy.capability import Capability, Cell, Subject
from keymgr.policy.case import BY_RISK
from keymgr.policy.matrix import Matrix
from keymgr.policy.plan_causes import Cause, Move, cause_of_gain, cause_of_limits, cause_of_loss
from keymgr.policy.plan_examples import Example, example_of
from keymgr.policy.plan_limits import Signature, limits_between, signature
from keymgr.policy.plan_terms import TERMS, Direction, LimitChange, combined
from keymgr.policy.words import OwnerKind, Risk

_PATHS = {term.name: term.path for term in TERMS}


class Delta(StrEnum):
    """What happens to a capability."""

    GAINED = "gained"
    LOST = "lost"
    LIMITED = "limited"


@dataclass(frozen=True, slots=True)
class CellChange:
    """One cell that changes, with why."""

    delta: Delta
    cell: Cell
    risk: Risk
    before: Capability | None
    after: Capability | None
    limits: tuple[LimitChange, ...]
    cause: Cause

    @property
    def widens(self) -> bool:
        """Whether somebody can do more than before."""
        return self.delta is Delta.GAINED or combined(each.direction for each in self.limits) in _WIDENING


@dataclass(frozen=True, slots=True)
class CapabilityChange:
    """Cells that change alike: every kind with every scope in every environment that is named here."""

    delta: Delta
    subject: Subject
    kinds: tuple[OwnerKind, ...]
    service: str
    scopes: tuple[tuple[str, Risk], ...]
    environments: tuple[str, ...]
    limits: tuple[LimitChange, ...]
    cause: Cause
    example: Example | None
    widens: bool

    @property
    def cells(self) -> int:
        """How many cells these are."""
        return len(self.kinds) * len(self.scopes) * len(self.environments)

    @property
    def risk(self) -> Risk:
        """The highest risk among the scopes."""
        return max((risk for _, risk in self.scopes), key=BY_RISK.index)


_WIDENING = frozenset({Direction.WIDER, Direction.MIXED})
_Key = tuple[Delta, Subject, str, tuple[LimitChange, ...], Cause]
_Block = tuple[tuple[OwnerKind, ...], tuple[str, ...], tuple[str, ...]]


def cell_changes(before: Matrix | None, after: Matrix, move: Move) -> tuple[CellChange, ...]:
    """Return every cell that changes; a larger set of memberships is left out where a part of it changes alike."""
    signatures = _Signatures()
    old = before.cells if before else {}
    moved: dict[Cell, tuple[Capability | None, Capability | None]] = {}
    for cell in (*after.cells, *(cell for cell in old if cell not in after.cells)):
        sides = (old.get(cell), after.cells.get(cell))
        if sides[0] is not sides[1] and signatures.of(sides[0]) != signatures.of(sides[1]):
            moved[cell] = sides
    subjects = {cell.subject for cell in moved}
    parts = {whole: _parts(whole, subjects) for whole in subjects}
    return tuple(
        _change(cell, sides, move)
        for cell, sides in moved.items()
        if not any(_alike(cell, part, moved, signatures) for part in parts[cell.subject])
    )


def capability_changes(changes: Iterable[CellChange], move: Move) -> tuple[CapabilityChange, ...]:
    """Return the changes in blocks, what widens first, the most critical first, each with an example that flips."""
    groups: defaultdict[_Key, dict[tuple[OwnerKind, str, str], CellChange]] = defaultdict(dict)
    for change in changes:
        key = (change.delta, change.cell.subject, change.cell.service, change.limits, change.cause)
        groups[key][change.cell.kind, change.cell.scope, change.cell.environment] = change
    found = (_block(key, block, cells, move) for key, cells in groups.items() for block in _blocks(cells))
    return tuple(sorted(found, key=_order))


class _Signatures:
    """The terms of capabilities, worked out once for each: many cells share one."""

    def __init__(self) -> None:
        self.known: dict[int, Signature] = {}

    def of(self, capability: Capability | None) -> Signature | None:
        if capability is None:
            return None
        found = self.known.get(id(capability))
        if found is None:
            found = self.known[id(capability)] = signature(capability)
        return found


def _parts(whole: Subject, subjects: Iterable[Subject]) -> list[Subject]:
    if len(whole.teams) + len(whole.roles) <= 1 and whole.owner is None:
        return []
    return [each for each in subjects if each != whole and whole.includes(each)]


def _alike(
    cell: Cell,
    part: Subject,
    moved: dict[Cell, tuple[Capability | None, Capability | None]],
    signatures: _Signatures,
) -> bool:
    smaller = moved.get(Cell(part, cell.kind, cell.service, cell.environment, cell.scope))
    return smaller is not None and all(
        signatures.of(one) == signatures.of(other) for one, other in zip(smaller, moved[cell], strict=True)
    )


def _change(cell: Cell, sides: tuple[Capability | None, Capability | None], move: Move) -> CellChange:
    before, after = sides
    limits: tuple[LimitChange, ...] = ()
    if before is not None and after is not None:
        delta, limits = Delta.LIMITED, limits_between(before, after, move.renamed_rules)
        cause = cause_of_limits(move, after.deciding, _PATHS.get(limits[0].term, "grants"))
    elif after is not None:
        delta, cause = Delta.GAINED, cause_of_gain(move, cell, after.deciding)
    else:
        assert before is not None  # noqa: S101 - a cell that moves has at least one side.
        delta, cause = Delta.LOST, cause_of_loss(move, cell, before.deciding)
    return CellChange(delta, cell, _risk(cell, move), before, after, limits, cause)


def _risk(cell: Cell, move: Move) -> Risk:
    """Return the risk after the change, the one before where the scope is gone."""
    found = (policy.services.get(cell.service) for policy in (move.head, move.base) if policy is not None)
    return next(service.scopes[cell.scope].risk for service in found if service and cell.scope in service.scopes)


def _blocks(cells: Iterable[tuple[OwnerKind, str, str]]) -> Iterator[_Block]:
    """Join cells to blocks: environments of one scope, then scopes with the same ones, then kinds with the same."""
    environments: defaultdict[tuple[OwnerKind, str], list[str]] = defaultdict(list)
    for kind, scope, environment in sorted(cells):
        environments[kind, scope].append(environment)
    scopes: defaultdict[tuple[OwnerKind, tuple[str, ...]], list[str]] = defaultdict(list)
    for (kind, scope), found in environments.items():
        scopes[kind, tuple(found)].append(scope)
    kinds: defaultdict[tuple[tuple[str, ...], tuple[str, ...]], list[OwnerKind]] = defaultdict(list)
    for (kind, where), listed in scopes.items():
        kinds[tuple(listed), where].append(kind)
    for (what, where), owners in kinds.items():
        yield tuple(owners), what, where


def _block(
    key: _Key, block: _Block, cells: dict[tuple[OwnerKind, str, str], CellChange], move: Move
) -> CapabilityChange:
    delta, subject, service, limits, cause = key
    kinds, scopes, environments = block
    risks = {scope: cells[kinds[0], scope, environments[0]].risk for scope in scopes}
    worst = max(scopes, key=lambda scope: BY_RISK.index(risks[scope]))
    first = cells[kinds[0], worst, environments[0]]
    order = {
        name: number
        for number, name in enumerate((*(move.base.environments if move.base else ()), *move.head.environments))
    }
    return CapabilityChange(
        delta=delta,
        subject=subject,
        kinds=kinds,
        service=service,
        scopes=tuple((scope, risks[scope]) for scope in scopes),
        environments=tuple(sorted(environments, key=order.__getitem__)),
        limits=limits,
        cause=cause,
        example=example_of((move.base, move.head), first.cell, (first.before, first.after), move.now),
        widens=first.widens,
    )


def _order(change: CapabilityChange) -> tuple[object, ...]:
    """Widening first and of that the most critical first; then what is lost, then what is narrowed."""
    risk, delta = -BY_RISK.index(change.risk), list(Delta).index(change.delta)
    return (
        not change.widens,
        *((risk, delta) if change.widens else (delta, risk)),
        change.subject.sort_key,
        change.service,
        change.scopes,
        change.environments,
        change.kinds,
    )
