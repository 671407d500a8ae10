"""The documentation cannot lie: links lead somewhere, commands exist, and the reference is what the commands say."""

import re
import shlex
from pathlib import Path

import click
import pytest

from deploy.command_reference import reference
from keymgr.cli.commands import keymgr
from keymgr.keys.status import Status

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
LINK = re.compile(r"\[[^\]]+\]\((?!https?:)([^)#\s]*)(#[^)\s]+)?\)")
COMMAND = re.compile(r"(?<![\w/.-])keymgr ((?:--env-file \S+ )?[a-z][^`\n|;…]*)")


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {"#" + re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_link_leads_somewhere(page: Path) -> None:
    for path, anchor in LINK.findall(page.read_text()):
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name} links to {path}"
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), f"{page.name} links to {path}{anchor}"


def code_of(page: Path) -> str:
    """Return what stands in code, in line and in blocks: prose about keymgr is no command line."""
    text = page.read_text()
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    spans = re.findall(r"`([^`]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
    return "\n".join([*blocks, *(" ".join(span.split()) for span in spans)])


def lines_of(page: Path) -> list[list[str]]:
    found = []
    for line in COMMAND.findall(code_of(page)):
        words = shlex.split(re.split(r" (?:&&|>|#|->) ?", line)[0].replace("'", ""), comments=True)
        found.append([word for word in words if word not in {"\\", "…"}])
    return found


def check(words: list[str]) -> None:
    """Walk the words down the groups; every option must exist."""
    command: click.Command = keymgr
    rest = list(words)
    while rest:
        word = rest.pop(0)
        context = click.Context(command)
        if word.startswith("-"):
            known = {name for parameter in command.get_params(context) for name in parameter.opts}
            assert word.split("=")[0] in known, f"keymgr {' '.join(words)}: no option {word}"
            option = next(p for p in command.get_params(context) if word.split("=")[0] in p.opts)
            if isinstance(option, click.Option) and not option.is_flag and "=" not in word and rest:
                rest.pop(0)
        elif isinstance(command, click.Group):
            inner = command.get_command(context, word)
            assert inner is not None, f"keymgr {' '.join(words)}: no command {word}"
            command = inner


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_command_that_is_named_exists_with_its_options(page: Path) -> None:
    for words in lines_of(page):
        check(words)


def test_the_reference_is_what_the_commands_say() -> None:
    told = "run `python deploy/command_reference.py > docs/commands.md`"
    assert (ROOT / "docs/commands.md").read_text() == reference(), told


def test_every_status_word_is_explained() -> None:
    page = (ROOT / "docs/portal.md").read_text()
    assert [status for status in Status if status.value not in page] == []
