"""A real JupyterLab, and pages of it in a headless Chromium.

To load JupyterLab costs ten seconds of a processor, to start its server six, to start a kernel two. So all tests share
a browser (`browser`), a server (`lab`) and a page (`page`). Each test takes rooms and files that no other has, and asks
for nothing that concerns the whole server. `page.open(lab, path)` closes the documents of others, and loads JupyterLab
only if the page does not show it yet.

A test has a page of its own (`new_page`) if it is about what a page does when it is loaded, or if it changes the page:
its scripts, its size, its colors. It has a server of its own (`make_lab`) if that needs other settings, or is to end.
Several tests can share a page of such a server, too: `SharedPage`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from support.chromium import chromium
from support.jupyter import JupyterServer

from browser.labpage import LabPage

HERE = Path(__file__).parent
ARTEFACTS = HERE.parent / "artefacts"
VIEWPORT = {"width": 1280, "height": 800}
# JupyterLab asks new users whether they want news, in a box that hides what is under test.
NO_NEWS = {"fetchNews": "false", "checkForUpdates": False}
# Lets a test run JupyterLab's commands.
CONFIG = {"LabApp": {"expose_app_in_browser": True}}
# Tests of what a page sends wait for a number of heartbeats.
BEATS = {"RtmsgApp": {"ping_interval": 0.3, "ping_timeout": 60.0}}


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


# --- servers

MakeLab = Callable[..., JupyterServer]


def _make_lab(home: Path, **sections: dict[str, object]) -> JupyterServer:
    without_news(home / "config")
    return JupyterServer(home, command="lab", config={**CONFIG, **sections})


@pytest.fixture(scope="module")
def make_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeLab]:
    """Return what makes a JupyterLab, not yet started; keyword arguments are sections of its configuration."""
    made: list[JupyterServer] = []

    def make(**sections: dict[str, object]) -> JupyterServer:
        made.append(_make_lab(tmp_path_factory.mktemp("lab"), **sections))
        return made[-1]

    yield make
    for lab in made:
        lab.kill()  # how servers with kernels stop is tested elsewhere, and takes seconds


@pytest.fixture(scope="package")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    """Return the JupyterLab that all tests share. Its hub pings every 0.3 s."""
    lab = _make_lab(tmp_path_factory.mktemp("lab"), **BEATS).start()
    yield lab
    lab.kill()


# --- pages


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Return the Chromium of all tests in this folder."""
    with chromium() as instance:
        yield instance


def keep_screenshot(page: LabPage, request: pytest.FixtureRequest) -> None:
    """Keep what a page shows, as ``tests/artefacts/<name of the test>.png``."""
    ARTEFACTS.mkdir(exist_ok=True)
    page.page.screenshot(path=ARTEFACTS / f"{request.node.name}.png")


class SharedPage:
    """A page for one test after the other. A test that fails leaves none to the next.

    Parameters
    ----------
    browser : Browser
    script : str
        JavaScript to run before the scripts of the page.
    """

    def __init__(self, browser: Browser, script: str = "") -> None:
        self._browser = browser
        self._script = script
        self._page: LabPage | None = None

    @contextmanager
    def lent(self, request: pytest.FixtureRequest) -> Iterator[LabPage]:
        """Give the page to a test; no script of ours may fail on it meanwhile."""
        failed = request.session.testsfailed
        page = self._page = self._page or self._make()
        yield page
        keep_screenshot(page, request)
        failures = page.failures.copy()
        page.failures.clear()
        if failures or request.session.testsfailed > failed:
            self.close()
        assert failures == []

    def close(self) -> None:
        if self._page:
            self._page.page.context.close()
            self._page = None

    def _make(self) -> LabPage:
        page = self._browser.new_context(viewport=VIEWPORT).new_page()
        page.add_init_script(self._script)
        return LabPage(page)


@pytest.fixture
def new_page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[LabPage]:
    """Return a page of the test's own, on which nothing is open; no script of ours may fail on it."""
    shared = SharedPage(browser)
    with shared.lent(request) as page:
        yield page
    shared.close()


@pytest.fixture(scope="package")
def _page(browser: Browser) -> Iterator[SharedPage]:
    shared = SharedPage(browser)
    yield shared
    shared.close()


@pytest.fixture
def page(_page: SharedPage, request: pytest.FixtureRequest) -> Iterator[LabPage]:
    """Return the page that all tests share; `LabPage.open` makes it what a test needs."""
    with _page.lent(request) as page:
        yield page
