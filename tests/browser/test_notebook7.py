"""Notebook 7, whose pages have no status bar: the panel opens from its menu and shows what a cell emits."""

from __future__ import annotations

import json
from collections.abc import Iterator

import nbformat
import pytest
from playwright.sync_api import expect
from support import neighbours
from support.jupyter import JupyterServer

from browser.labpage import LabPage

pytestmark = pytest.mark.timeout(300)
# What is installed beside Notebook 7 there, and would show notebooks in its own way.
OTHERS = ("@jupyter/docprovider-extension", "@jupyter/collaboration-extension", "jupyterlab-jupytext")
CELL = """import jupyter_rtmsg as rt
lab = rt.connect().join("lab")
lab.emit("metric", {"loss": 0.25})
display(lab.view())
lab"""


@pytest.fixture(scope="module")
def notebook7(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    home = tmp_path_factory.mktemp("notebook7")
    (home / "config" / "labconfig").mkdir(parents=True)
    disabled = {"disabledExtensions": dict.fromkeys(OTHERS, True)}
    (home / "config" / "labconfig" / "page_config.json").write_text(json.dumps(disabled))
    config = neighbours.extensions("jupyterlab", "notebook", "notebook_shim")
    with JupyterServer(home, command="notebook", python=neighbours.PYTHON, config=config) as server:
        kernel = {"name": "python3", "display_name": "Python 3"}
        cells = [nbformat.v4.new_code_cell(CELL)]
        notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
        nbformat.write(notebook, server.root / "classic.ipynb")
        yield server


def open_panel(page: LabPage, url: str, first: str) -> None:
    """Open a page of Notebook 7, and the panel from its menu."""
    page.page.goto(url)
    expect(page.page.locator(first).first).to_be_visible(timeout=90_000)
    page.page.get_by_role("menuitem", name="View").click()
    page.page.locator(".lm-Menu-itemLabel", has_text="Right Sidebar").hover()
    page.page.locator(".lm-Menu-itemLabel", has_text="Show Messages").click()
    expect(page.panel).to_be_visible()
    expect(page.state).to_have_text("Connected")


def test_the_panel_opens_beside_a_notebook_and_shows_what_its_cell_emits(
    notebook7: JupyterServer, new_page: LabPage
) -> None:
    open_panel(new_page, f"{notebook7.url}notebooks/classic.ipynb?token={notebook7.token}", ".jp-Notebook .jp-Cell")
    new_page.join("lab")
    kernel = new_page.page.locator(".jp-Notebook-ExecutionIndicator")
    expect(kernel).to_have_attribute("data-status", "idle", timeout=90_000)  # until then, keys run nothing
    new_page.page.locator(".jp-Notebook .jp-Cell").first.click()
    new_page.page.keyboard.press("Control+Enter")
    expect(new_page.events).to_have_count(1, timeout=90_000)
    expect(new_page.events).to_contain_text(['{"loss": 0.25}'])
    widget = new_page.page.locator(".jp-Notebook").get_by_role("region", name="Room lab")
    expect(widget).to_contain_text('{"loss": 0.25}', timeout=90_000)
    expect(widget).to_contain_text("lab")
    expect(new_page.events).to_contain_text(["classic"])
    card = new_page.page.locator(".jp-OutputArea-executeResult .jp-OutputArea-output")
    expect(card).to_contain_text("Room lab: connected")
    expect(card).to_contain_text("classic (you) [this one]")
    new_page.emit("hello", '"from the panel"')
    expect(new_page.events).to_have_count(2)


def test_a_notebook_of_todays_notebook_7_needs_the_panel_for_nothing(
    notebook7: JupyterServer, new_page: LabPage
) -> None:
    """The page with the files has no right side bar: it loads, and none of our scripts fails there."""
    new_page.page.goto(f"{notebook7.url}tree?token={notebook7.token}")
    expect(new_page.page.get_by_text("classic.ipynb").first).to_be_visible(timeout=90_000)
