"""The first pair of notebooks in JupyterLab, as `make run` opens them."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect
from support.jupyter import JupyterServer

from browser.labpage import READY, LabPage

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


@pytest.mark.timeout(300)
def test_run_all_ends_at_a_picture_that_is_seen_and_the_tabs_are_told_apart(lab: JupyterServer, page: LabPage) -> None:
    for path in NOTEBOOKS.glob("*.ipynb"):
        (lab.root / path.name).write_bytes(path.read_bytes())
    page.open(lab, "01-listen.ipynb")
    page.command("docmanager:open", path="01-train.ipynb", options={"mode": "split-right"})
    tabs = page.page.locator(".lm-DockPanel-tabBar .lm-TabBar-tabLabel")
    expect(tabs).to_have_count(2, timeout=60_000)
    for tab in tabs.all():
        cut = tab.evaluate("label => label.scrollWidth > label.clientWidth")
        assert not cut, tab.inner_text()
    listens = page.page.locator(".jp-Notebook").filter(has_text="the one that listens")
    listens.locator(".jp-Cell").first.click()
    page.page.wait_for_function(READY, timeout=120_000)
    page.command("notebook:run-all-cells")
    picture = listens.locator(".jp-Cell").last.locator("img")
    expect(picture).to_be_visible(timeout=120_000)
    expect(picture).to_be_in_viewport(timeout=60_000)
