"""What is in force, written as files and read back, is the same policy: as a property over policies and texts."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keymgr.policy.documents import Document
from keymgr.policy.layout import canonical
from keymgr.policy.load import Loaded, from_snapshot, load, to_snapshot
from keymgr.policy.plan import plan
from keymgr.policy.read import ReadPolicy, read_policy
from keymgr.reconcile.export import ExportError, export_files, path_of
from keymgr.reconcile.folder import read_folder

EXAMPLES = Path(__file__).parent.parent / "policy" / "example"
OWN = Path(__file__).parent.parent.parent / "policies"
MOMENT = datetime.fromisoformat("2026-11-22T10:00:00+00:00")
FOLDERS = [EXAMPLES / "base", EXAMPLES / "pull-request", OWN]


def read(files: Mapping[str, bytes] | tuple[object, ...]) -> ReadPolicy:
    assert isinstance(files, Mapping), files
    found = read_policy(files, now=MOMENT)
    assert isinstance(found, ReadPolicy), found
    return found


READ = {folder: read(read_folder(folder)) for folder in FOLDERS}


def stored(found: ReadPolicy) -> tuple[Document, ...]:
    """The documents as they come back from the database."""
    return from_snapshot(json.loads(json.dumps(to_snapshot(found.documents))))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_what_is_exported_plans_to_nothing(folder: Path) -> None:
    before = READ[folder]
    files = export_files(stored(before), "revision 7")
    after = read(files)
    assert after.policy.digest == before.policy.digest
    assert plan(before, after, now=int(MOMENT.timestamp())).is_empty
    assert {(each.kind, each.name): each.data for each in after.documents} == {
        (each.kind, each.name): each.data for each in before.documents
    }


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_files_are_laid_out_and_say_where_each_object_was_written(folder: Path) -> None:
    found = READ[folder]
    files = export_files(found.documents, "revision 7, commit abc")
    assert sorted(files) == sorted(path_of(each) for each in found.documents)
    for document in found.documents:
        content = files[path_of(document)]
        assert canonical(content) == content
        lines = content.decode().splitlines()
        assert lines[0] == "# Exported from revision 7, commit abc."
        assert lines[1] == f"# Written in {document.source.file}, line {document.source.line}."


def test_the_folder_can_be_written_and_read_as_any_policy_folder(tmp_path: Path) -> None:
    found = READ[OWN]
    for path, content in export_files(found.documents, "revision 7").items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(content)
    assert read(read_folder(tmp_path)).policy.digest == found.policy.digest


TEXTS = st.text(
    st.characters(exclude_categories=["Cc", "Cs", "Cf", "Co", "Cn", "Zl", "Zp"]), min_size=1, max_size=120
) | st.sampled_from(["no", "1:30", "0755", "1.10", "2026-11-22", "null", "~", "- a", "a: b", "# x", "'", '"', "\\n"])


TEAM = next(each for each in READ[OWN].documents if each.kind == "Team")


@settings(deadline=None, max_examples=200)
@given(description=TEXTS, note=TEXTS)
def test_words_of_any_kind_survive(description: str, note: str) -> None:
    """Whatever the loader accepts as words comes back as it was, and is no comment, number or date on the way."""
    metadata = {**TEAM.data["metadata"], "description": description, "annotations": {"note": note}}
    team = replace(TEAM, data={**TEAM.data, "metadata": metadata})
    try:
        files = export_files((team,), "revision 7")
    except ExportError:
        # A word that no file may hold was never stored; it is the loader that refuses it.
        assert isinstance(load({path_of(team): json.dumps(team.data, ensure_ascii=False).encode()}), tuple)
        return
    loaded = load(files)
    assert isinstance(loaded, Loaded)
    assert loaded.documents[0].data == team.data


def test_files_that_would_say_something_else_are_not_given_out() -> None:
    found = READ[EXAMPLES / "base"]
    document = found.documents[0]
    odd = replace(document, data={**document.data, "surprise": {"b": None}})
    with pytest.raises(ExportError):
        export_files((odd, *found.documents[1:]), "revision 7")
