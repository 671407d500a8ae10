"""Policy folders on disk, read into documents and a policy the way the command line does it."""

from collections.abc import Iterable
from pathlib import Path

from keymgr.policy.compile import compile_policy
from keymgr.policy.documents import Document
from keymgr.policy.load import Loaded, load
from keymgr.policy.model import Policy

ROOT = Path(__file__).parents[2]


def documents_of(folder: Path) -> tuple[Document, ...]:
    return documents_in({str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*.yaml"))})


def documents_in(files: dict[str, str]) -> tuple[Document, ...]:
    loaded = load({name: text.encode() for name, text in files.items()})
    assert isinstance(loaded, Loaded), [str(problem) for problem in loaded]
    return loaded.documents


def policy_of(documents: Iterable[Document]) -> Policy:
    policy = compile_policy(documents)
    assert isinstance(policy, Policy), [str(problem) for problem in policy]
    return policy
