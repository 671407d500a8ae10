"""The same question put to another policy: a revision that was in force, or the one in force with pasted YAML in it."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from keymgr.policy.compile import compile_policy
from keymgr.policy.decision import Decision, Denied
from keymgr.policy.load import load
from keymgr.policy.model import InForce, Policy, Source
from keymgr.policy.problems import Problems
from keymgr.reconcile.history import documents_of, find_revision
from keymgr.reconcile.live import stored_policy
from keymgr.web.explanation_lines import Answer, answer_of
from keymgr.web.forge import Forge, Place

PASTED = "pasted.yaml"
PASTED_BYTES_MAX = 64 * 1024
_SHOWN_MAX = 20
_WORDS = {Answer.GRANTED: "granted at once", Answer.PENDING: "needs approval", Answer.REFUSED: "not allowed"}


@dataclass(frozen=True, slots=True)
class PastedForge(Forge):
    """A forge that knows of text which no commit holds."""

    def place(self, source: Source) -> Place:
        """Say where this is written: in a commit, or in what was pasted."""
        if source.file == PASTED:
            return Place(f"pasted text, line {source.line}", None)
        return Forge.place(self, source)


@dataclass(frozen=True, slots=True)
class Other:
    """Another policy to ask, what to call it, and where its lines are."""

    label: str
    policy: Policy
    forge: Forge


@dataclass(frozen=True, slots=True)
class NoOther:
    """There is no policy to compare with; one sentence for each reason."""

    sentences: tuple[str, ...]


def other_revision(session: Session, text: str, forge: Forge) -> Other | NoOther:
    """Read a revision by its number."""
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0  # noqa: PLR2004 - fits a column.
    revision = find_revision(session, number)
    if revision is None:
        return NoOther((f"There is no revision {number}. Choose one from the list.",))
    policy = stored_policy(session, number)
    if policy is None:
        return NoOther((f"This version of keymgr cannot read revision {number}.",))
    return Other(f"revision {number}", policy, Forge(forge.template, forge.folder, revision.commit, number))


def other_pasted(session: Session, opened: InForce, text: str, forge: Forge, now: datetime) -> Other | NoOther:
    """Put pasted documents in the place of those of the same kind and name; nothing is stored."""
    content = text.encode()
    if len(content) > PASTED_BYTES_MAX:
        return NoOther((f"Paste at most {PASTED_BYTES_MAX // 1024} KiB; this is {len(content) // 1024} KiB.",))
    pasted = load({PASTED: content})
    if isinstance(pasted, tuple):
        return _unfit(pasted)
    names = {(document.kind, document.name) for document in pasted.documents}
    kept = [each for each in documents_of(session, opened.revision) if (each.kind, each.name) not in names]
    policy = compile_policy([*kept, *pasted.documents], now=now)
    if not isinstance(policy, Policy):
        return _unfit(policy)
    return Other("the pasted text", policy, PastedForge(forge.template, forge.folder, forge.commit, forge.revision))


def difference(now: Decision, other: Decision, label: str) -> tuple[bool, str]:
    """Say whether and how the answer changes from the policy in force to the other one."""
    before, after = answer_of(now), answer_of(other)
    if before is not after:
        return True, f"This answer changes from “{_WORDS[before]}” to “{_WORDS[after]}” with {label}."
    if _terms(now) != _terms(other):
        return True, f"The answer stays “{_WORDS[after]}” with {label}, on other terms."
    return False, f"The answer stays “{_WORDS[after]}” with {label}."


def _terms(decision: Decision) -> object:
    if isinstance(decision, Denied):
        return [unmet.reason for unmet in decision.reasons]
    steps = [(step.teams, step.roles, step.count) for step in decision.rule.approval.steps]
    return (decision.rule.name, decision.terms, steps)


def _unfit(problems: Problems) -> NoOther:
    shown = tuple(_sentence(each.file, each.line, f"{each.message} ({each.remedy})") for each in problems[:_SHOWN_MAX])
    more = len(problems) - len(shown)
    return NoOther((*shown, f"And {more} more.") if more else shown)


def _sentence(file: str, line: int, words: str) -> str:
    return f"Line {line}: {words}" if file == PASTED else f"{file}:{line}: {words}"
