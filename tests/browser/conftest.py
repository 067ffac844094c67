"""A real JupyterLab, and pages of it in a headless Chromium."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import chromium
from browser.labpage import LabPage
from playwright.sync_api import Browser, sync_playwright
from support.jupyter import JupyterServer

HERE = Path(__file__).parent
ARTEFACTS = HERE.parent / "artefacts"
# JupyterLab asks new users whether they want news, in a box that hides what is under test.
NO_NEWS = {"fetchNews": "false", "checkForUpdates": False}
# Lets a test run JupyterLab's commands.
CONFIG = {"LabApp": {"expose_app_in_browser": True}}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)


def make_lab(home: Path, **sections: dict[str, object]) -> JupyterServer:
    """Return a JupyterLab in the directory `home`, not yet started; `sections` go into its configuration."""
    lab = JupyterServer(home, command="lab", config={**CONFIG, **sections})
    settings = home / "config" / "lab" / "user-settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text(json.dumps(NO_NEWS))
    return lab


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    """Return a JupyterLab that runs as long as the module's tests."""
    with make_lab(tmp_path_factory.mktemp("lab")) as server:
        yield server


# Not longer than a module: Playwright's event loop runs in this thread, and asynchronous tests could start none.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return a headless Chromium."""
    path = chromium.find()
    if path is None:
        pytest.fail(chromium.NONE)
    # Chromium's sandbox needs a user that is not root.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        instance = playwright.chromium.launch(executable_path=path, args=arguments)
        yield instance
        instance.close()


@pytest.fixture
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[LabPage]:
    """Return a page; what it shows in the end is kept in ``tests/artefacts``, and no script of it may have failed."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = LabPage(context.new_page())
    yield page
    ARTEFACTS.mkdir(exist_ok=True)
    page.page.screenshot(path=ARTEFACTS / f"{request.node.name}.png")
    context.close()
    assert page.failures == []
