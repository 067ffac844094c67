"""A real JupyterLab, and pages of it in a headless Chromium."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from browser.labpage import LabPage
from playwright.sync_api import Browser
from support.jupyter import JupyterServer

HERE = Path(__file__).parent
ARTEFACTS = HERE.parent / "artefacts"
# JupyterLab asks new users whether they want news, in a box that hides what is under test.
NO_NEWS = {"fetchNews": "false", "checkForUpdates": False}
# Lets a test run JupyterLab's commands.
CONFIG = {"LabApp": {"expose_app_in_browser": True}}


# Before the conftest of all tests looks at the marker.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(300))  # a page of JupyterLab takes a busy machine half a minute


def without_news(config: Path) -> None:
    """Have the JupyterLab of a configuration directory ask nothing at its start."""
    settings = config / "lab" / "user-settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text(json.dumps(NO_NEWS))


MakeLab = Callable[..., JupyterServer]


@pytest.fixture(scope="module")
def make_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeLab]:
    """Return what makes a JupyterLab, not yet started; keyword arguments are sections of its configuration."""
    made: list[JupyterServer] = []

    def make(**sections: dict[str, object]) -> JupyterServer:
        home = tmp_path_factory.mktemp("lab")
        without_news(home / "config")
        made.append(JupyterServer(home, command="lab", config={**CONFIG, **sections}))
        return made[-1]

    yield make
    for lab in made:
        lab.kill()  # how servers with kernels stop is tested elsewhere, and takes seconds


@pytest.fixture(scope="module")
def lab(make_lab: MakeLab) -> JupyterServer:
    """Return a JupyterLab that runs as long as the module's tests."""
    return make_lab().start()


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
