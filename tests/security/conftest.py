"""The portal of tests/web, the policy of tests/keys and the machine of tests/api, for whoever attacks them together."""

import pytest
from flask import Flask

from tests.api.conftest import applied_file, client, machine
from tests.keys.conftest import counter, in_force
from tests.web.conftest import app, ben, compiled_templates, lived_in, portal_url, seeded, stranger
from tests.web.house import Browser

__all__ = (
    "app",
    "applied_file",
    "ben",
    "client",
    "compiled_templates",
    "counter",
    "in_force",
    "lived_in",
    "machine",
    "portal_url",
    "seeded",
    "stranger",
)


@pytest.fixture
def dana(app: Flask) -> Browser:
    browser = Browser(app)
    browser.enter("dana")
    return browser


@pytest.fixture
def ada(app: Flask) -> Browser:
    """The admin."""
    browser = Browser(app)
    browser.enter("ada")
    return browser
