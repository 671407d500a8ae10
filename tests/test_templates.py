"""House rules of the templates: they compile, fragments have one root, and nothing in them needs a weaker policy."""

import re
from pathlib import Path

import pytest
from bs4 import BeautifulSoup, Tag
from jinja2 import Environment, FileSystemLoader, StrictUndefined

ROOT = Path(__file__).parent.parent / "templates"
TEMPLATES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.html"))
FRAGMENTS = [name for name in TEMPLATES if Path(name).name.startswith("_")]
FORBIDDEN = {
    "an inline style": re.compile(r"\sstyle\s*=|<style", re.IGNORECASE),
    "an inline handler": re.compile(r"\son[a-z]+\s*=", re.IGNORECASE),
    "a script address": re.compile(r"javascript:", re.IGNORECASE),
    "hx-on": re.compile(r"hx-on", re.IGNORECASE),
    "hx-boost": re.compile(r"hx-boost", re.IGNORECASE),
    "a trigger filter": re.compile(r"hx-trigger\s*=\s*\"[^\"]*\w\[[^\"]*\]", re.IGNORECASE),
    "an inherited htmx attribute": re.compile(r"<(body|main)\b[^>]*\shx-", re.IGNORECASE),
    "unescaped output": re.compile(r"\|\s*safe\b|Markup\("),
    "an address of another site": re.compile(r"(src|href)\s*=\s*\"(https?:)?//"),
}


def source(name: str) -> str:
    return (ROOT / name).read_text()


def without_jinja(name: str) -> BeautifulSoup:
    text = re.sub(r"\{#.*?#\}|\{%.*?%\}", "", source(name), flags=re.DOTALL)
    return BeautifulSoup(re.sub(r"\{\{.*?\}\}", "x", text, flags=re.DOTALL), "html.parser")


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_template_compiles(name: str) -> None:
    environment = Environment(loader=FileSystemLoader(ROOT), undefined=StrictUndefined, autoescape=True)
    environment.filters.update(dict.fromkeys(("clock", "date", "time_of_day", "distance", "span"), str))
    environment.filters.update(dict.fromkeys(("thousands", "spark", "owner_words", "icon_of", "tone_of"), str))
    environment.get_template(name)


@pytest.mark.parametrize("name", FRAGMENTS)
def test_a_fragment_has_exactly_one_root_and_it_has_an_id(name: str) -> None:
    roots = [node for node in without_jinja(name).contents if isinstance(node, Tag)]
    assert len(roots) == 1
    assert roots[0].get("id")


@pytest.mark.parametrize("what", FORBIDDEN)
@pytest.mark.parametrize("name", TEMPLATES)
def test_no_template_needs_a_weaker_content_security_policy(name: str, what: str) -> None:
    assert not FORBIDDEN[what].search(source(name)), f"{name} holds {what}"


@pytest.mark.parametrize("name", TEMPLATES)
def test_no_script_stands_in_a_template(name: str) -> None:
    assert all(script.get("src") and not script.text.strip() for script in without_jinja(name).find_all("script"))


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_form_that_is_posted_carries_the_token(name: str) -> None:
    for form in re.findall(r"<form\b.*?</form>", source(name), flags=re.DOTALL):
        if 'method="post"' in form:
            assert "guards(" in form or 'name="csrf_token"' in form


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_form_that_htmx_sends_is_sent_once_and_names_its_target(name: str) -> None:
    for opening in re.findall(r"<form\b[^>]*hx-post[^>]*>", source(name), flags=re.DOTALL):
        assert 'hx-sync="this:drop"' in opening
        assert "hx-target=" in opening
        assert "hx-select=" in opening
