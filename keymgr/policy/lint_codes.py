"""The warnings there are, and what every check is given and gives back."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from keymgr.policy.documents import AnyDocument
from keymgr.policy.index import Index, Written
from keymgr.policy.model import Policy
from keymgr.policy.problems import Problem, at

WARNINGS: Mapping[str, str] = MappingProxyType(
    {
        "W401": "A wildcard reaches a high or critical scope",
        "W402": "A rule that nobody can meet",
        "W403": "A rule that another rule covers entirely",
        "W404": "A scope that no rule grants",
        "W405": "A service without rules",
        "W406": "An object that nothing uses",
        "W407": "An approval that cannot be given",
        "W408": "A waiver or acknowledgement that is over or ends soon",
        "W409": "A rule or guardrail that no test shows at work",
        "W410": "A guardrail that no rule can ever meet",
        "W411": "A critical scope that nobody explains",
        "W412": "A production rule without a limit that production needs",
        "W413": "An annotation that accepts a warning which is not there",
    }
)


@dataclass(frozen=True, slots=True)
class Subject:
    """What a check looks at: the documents, the policy they make, and the moment in Unix seconds."""

    index: Index
    policy: Policy
    now: int


@dataclass(frozen=True, slots=True)
class Finding:
    """One warning and the object it is about, which may accept it."""

    kind: str
    name: str
    problem: Problem


def found(code: str, written: Written[AnyDocument], message: str, remedy: str, *path: str | int) -> Finding:
    """Return the warning `code` about an object, at the field `path` or as near to it as something is written."""
    marks = written.document.marks
    above = (".".join(map(str, path[:end])) for end in range(len(path), 0, -1))
    where = next((marks[field] for field in above if field in marks), written.document.source)
    return Finding(written.document.kind, written.name, at(where, code, message, remedy))
