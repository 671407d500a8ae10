"""One running demo for all flows, and a fresh browser context for each, with JavaScript on and off."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.flows.demo import Demo, running_demo
from tests.flows.office import Entered, Office, running_office


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with running_demo(tmp_path_factory.mktemp("flows")) as running:
        yield running


@pytest.fixture(scope="session")
def office(tmp_path_factory: pytest.TempPathFactory, chromium: Browser) -> Iterator[Office]:
    """One demo for all flows that change the policy or look for a key of nobody else's."""
    with running_office(tmp_path_factory.mktemp("office"), chromium) as running:
        yield running


@pytest.fixture
def enter(office: Office, *, script: bool) -> Iterator[Entered]:
    """Open the office's portal as somebody; every browser is closed with the test."""
    entered = Entered(office, script=script)
    yield entered
    assert entered.leave() == []


@pytest.fixture(params=[True, False], ids=["with JavaScript", "without JavaScript"])
def script(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def page(chromium: Browser, *, script: bool) -> Iterator[Page]:
    context = chromium.new_context(java_script_enabled=script)
    page = context.new_page()
    page.set_default_timeout(15_000)
    yield page
    context.close()
