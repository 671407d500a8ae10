"""A real browser on every page of every role, in a portal full of hostile texts: silent, and at home."""

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from jinja2 import FileSystemBytecodeCache
from playwright.sync_api import Browser as Chromium

from tests.databases import fresh_file
from tests.security.test_hostile_crawl import begin_of
from tests.web.browsing import Watched
from tests.web.conftest import Template
from tests.web.hostile import poison
from tests.web.house import Seeded
from tests.web.open_site import Site, opened

LINKS = "[...document.querySelectorAll('a[href]')].map((link) => link.href.split('#')[0])"
WRONG = """[
  ...document.querySelectorAll('x-evil, img[onerror], style, iframe, base, script:not([src^="/assets/"])'),
  ...[...document.querySelectorAll('*')].filter((node) => node.getAttributeNames().some((name) =>
    name.startsWith('on') || name === 'style')),
  ...[...document.querySelectorAll('[hx-trigger*=every]')].filter((node) => !node.closest('[data-poll]')),
].map((node) => node.outerHTML.slice(0, 80))"""


@pytest.fixture(scope="module")
def site(
    chromium: Chromium,
    lived_in: Template,
    tmp_path_factory: pytest.TempPathFactory,
    compiled_templates: FileSystemBytecodeCache,
) -> Iterator[Site]:
    folder: Path = tmp_path_factory.mktemp("crawl")
    url = fresh_file(lived_in.file, folder)
    with opened(chromium, url, folder) as site:
        site.app.jinja_env.bytecode_cache = compiled_templates
        poison(site.app, url)
        yield site


@pytest.mark.parametrize("name", ["ada", "ben", "cleo", "dana", "eli"])
def test_no_page_runs_a_hostile_text_complains_or_asks_another_site(site: Site, seeded: Seeded, name: str) -> None:
    """One address of each shape: the same page with the same arguments is looked at once."""
    watched = site.enter(name)
    where = site.app.url_map.bind("localhost")
    queue, shapes = deque(site.base + path for path in begin_of(name, seeded)), set()
    while queue:
        split = urlsplit(queue.popleft())
        shape = (where.match(split.path, method="GET")[0], *sorted(parse_qs(split.query)))
        if shape in shapes or split.path.endswith(".csv"):
            continue
        shapes.add(shape)
        queue += follow(watched, split.path + (f"?{split.query}" if split.query else ""))
    assert site.leave() == []
    assert len(shapes) > 20


def follow(watched: Watched, path: str) -> list[str]:
    """Open a page, write down what is wrong with it, and return the links it has to pages of ours."""
    watched.open(path)
    links, wrong = watched.page.evaluate(f"[{LINKS}, {WRONG}]")
    watched.faults += [f"{path}: {node}" for node in wrong]
    return [link for link in links if link.startswith(watched.base + "/")]
