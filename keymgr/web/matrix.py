"""Who can get what: teams and roles against the scopes of one service, each cell a link to its explanation."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from flask import Response, abort, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue

from keymgr.policy.capability import Capability, Cell, Subject
from keymgr.policy.matrix import matrix
from keymgr.policy.matrix_subjects import subjects_of
from keymgr.policy.model import InForce, OwnerKind, Policy, Service
from keymgr.policy.wording import span
from keymgr.web.explanation_lines import Answer, steps_of
from keymgr.web.policy_keys import oversees
from keymgr.web.portal import now, portal
from keymgr.web.spreadsheet import line
from keymgr.web.visiting import in_force, visitor

_KIND_WORDS = {OwnerKind.USER: "people", OwnerKind.SERVICE_ACCOUNT: "service accounts"}
_COLUMNS = (
    "subject",
    "owner kind",
    "service",
    "environment",
    "scope",
    "risk",
    "answer",
    "longest life",
    "rule",
    "approval",
)


@dataclass(frozen=True, slots=True)
class Square:
    """One cell: `answer` None means that nobody of the row can have the scope; `url` leads to the explanation."""

    scope: str
    risk: str
    answer: Answer | None
    word: str
    detail: str
    url: str


@dataclass(frozen=True, slots=True)
class Row:
    """One set of memberships with the kinds of owner that get the same; `key` picks it on a phone."""

    key: str
    who: str
    kinds: str
    squares: tuple[Square, ...]


@dataclass(frozen=True, slots=True)
class Chosen:
    """The service and environment that are shown; for unknown names the first there is."""

    opened: InForce
    service: Service
    environment: str

    @property
    def policy(self) -> Policy:
        """The policy in force."""
        return self.opened.policy


_Held = Mapping[tuple[Subject, OwnerKind], Mapping[str, Capability]]


@portal.get("/policy/matrix")
def policy_matrix() -> ResponseReturnValue:
    """Show the matrix of one service in one environment, or one row of it as a list."""
    chosen = _chosen()
    if chosen is None:
        return render_template("policy/none.html", state=None, now=now())
    rows = _rows(chosen)
    picked = next((row for row in rows if row.key == request.args.get("who")), None)
    return render_template(
        "policy/matrix.html",
        services=sorted(chosen.policy.services),
        service=chosen.service,
        environment=chosen.environment,
        rows=rows,
        picked=picked,
        now=now(),
    )


@portal.get("/policy/matrix.csv")
def policy_matrix_csv() -> Response:
    """Hand the same over as a file, one line a cell; what a spreadsheet would take for a formula is made text."""
    chosen = _chosen()
    if chosen is None:
        abort(404, "No policy is in force yet, so there is no matrix.")
    response = make_response("".join(map(line, (_COLUMNS, *_lines(chosen)))))
    response.mimetype = "text/csv"
    name = f"matrix-{chosen.service.name}-{chosen.environment}.csv"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _chosen() -> Chosen | None:
    opened = in_force()
    if opened is None or not opened.policy.services:
        return None
    services = opened.policy.services
    service = services.get(request.args.get("service", "")) or services[min(services)]
    asked = request.args.get("environment", "")
    return Chosen(opened, service, asked if asked in service.environments else service.environments[0])


def _held(chosen: Chosen) -> _Held:
    """Return what every subject holds there; owners that a waiver names are left out for those who may not know."""
    target, moment = (chosen.service.name, chosen.environment), int(now().timestamp())
    known = subjects_of([chosen.policy], moment).get(target, frozenset())
    shown = frozenset(each for each in known if each.owner in (None, visitor().asker.id) or oversees(visitor()))
    cells = matrix(chosen.policy, moment, subjects={target: shown}).cells
    found: defaultdict[tuple[Subject, OwnerKind], dict[str, Capability]] = defaultdict(dict)
    for cell, capability in sorted(cells.items(), key=lambda each: each[0].subject.sort_key):
        found[cell.subject, cell.kind][cell.scope] = capability
    return found


def _rows(chosen: Chosen) -> tuple[Row, ...]:
    """Return one row for a subject, or one for each kind of owner where the two get different things."""
    held = _held(chosen)
    rows = []
    for subject in dict.fromkeys(subject for subject, _ in held):
        kinds = [kind for kind in OwnerKind if (subject, kind) in held]
        if len(kinds) == len(OwnerKind) and held[subject, kinds[0]] == held[subject, kinds[1]]:
            rows.append(_row(chosen, subject, (OwnerKind.USER, OwnerKind.SERVICE_ACCOUNT), held[subject, kinds[0]]))
        else:
            rows.extend(_row(chosen, subject, (kind,), held[subject, kind]) for kind in reversed(kinds))
    return tuple(rows)


def _row(chosen: Chosen, subject: Subject, kinds: tuple[OwnerKind, ...], held: Mapping[str, Capability]) -> Row:
    squares = tuple(_square(chosen, subject, kinds[0], scope, held.get(scope)) for scope in chosen.service.scopes)
    key = ".".join([*sorted(subject.teams), *sorted(subject.roles), *filter(None, [subject.owner]), *kinds])
    return Row(key, _who(subject), " and ".join(_KIND_WORDS[kind] for kind in kinds), squares)


def _who(subject: Subject) -> str:
    words = str(subject)
    return words[0].upper() + words[1:] if words == "anybody" else words


def _square(chosen: Chosen, subject: Subject, kind: OwnerKind, scope: str, held: Capability | None) -> Square:
    risk = chosen.service.scopes[scope].risk.value
    url = _explanation(Cell(subject, kind, chosen.service.name, chosen.environment, scope), held)
    if held is None:
        return Square(scope, risk, None, "none", "", url)
    life = span(held.deciding.limits.max_ttl_seconds)
    if held.needs_approval:
        return Square(scope, risk, Answer.PENDING, "needs approval", f"{life}. {_approval(held)}", url)
    return Square(scope, risk, Answer.GRANTED, life, f"by the rule {held.deciding.rule.name}", url)


def _approval(held: Capability) -> str:
    return steps_of(held.deciding.rule.approval.steps)


def _explanation(cell: Cell, held: Capability | None) -> str:
    """Return the address of the what-if that asks for exactly this cell, with facts that the rule accepts."""
    subject = cell.subject
    made_up = {"as": "group", "team": sorted(subject.teams), "role": sorted(subject.roles), "kind": cell.kind.value}
    asked: dict[str, object] = {
        **(made_up if subject.owner is None else {"as": "person", "person": subject.owner}),
        "service": cell.service,
        "environment": cell.environment,
        "scope": cell.scope,
    }
    if held is not None:
        way = held.deciding
        wish = way.wish(cell)
        asked |= {"lifetime": wish.ttl_seconds, "cidrs": ", ".join(wish.cidrs) or None}
        asked |= {f"fact.{name}": _fact(value) for name, value in way.facts.items()}
    return url_for("web.policy_what_if", **asked)  # type: ignore[arg-type]  # Flask takes any value of a query.


def _fact(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _lines(chosen: Chosen) -> Iterator[tuple[str, ...]]:
    where = (chosen.service.name, chosen.environment)
    for (subject, kind), held in _held(chosen).items():
        for scope in chosen.service.scopes.values():
            found = held.get(scope.name)
            answer = "none" if found is None else "needs approval" if found.needs_approval else "granted"
            terms = ("", "", "")
            if found is not None:
                steps = _approval(found) if found.needs_approval else ""
                terms = (span(found.deciding.limits.max_ttl_seconds), found.deciding.rule.name, steps)
            yield (_who(subject), _KIND_WORDS[kind], *where, scope.name, scope.risk.value, answer, *terms)
