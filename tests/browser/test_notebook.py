"""Panel and widget side by side: one notebook, one room, one truth."""

from __future__ import annotations

import nbformat
import pytest
from playwright.sync_api import expect
from support.jupyter import JupyterServer

from browser.labpage import LabPage

CELLS = (
    """import jupyter_rtmsg as rt
from jupyter_rtmsg.widgets import RoomView

hub = rt.connect()
lab = hub.join("talk")

@lab.on("hello")
def heard(event):
    print("heard", event.data)""",
    "RoomView(lab)",
    "lab.emit('metric', {'loss': 0.25})",
)


LAMBDAS = (
    """import time
import jupyter_rtmsg as rt

lab = rt.connect().join("lambdas")
seen, runs = [], globals().get("runs", 0) + 1""",
    "lab.on('n', lambda event: seen.append('losses'))",
    "lab.on('n', lambda event: seen.append('accs'))",
    """lab.emit("n")
lab.emit("n")
end = time.time() + 20
while seen.count("accs") < 2 and time.time() < end: time.sleep(0.01)
print("run", runs, seen)""",
)


def write(lab: JupyterServer, name: str, *sources: str) -> str:
    """Write a notebook of cells and return its path."""
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    kernel = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), lab.root / name)
    return name


@pytest.fixture
def notebook(lab: JupyterServer) -> str:
    """Return the path of a notebook that joins a room, shows it and emits an event."""
    return write(lab, "talk.ipynb", *CELLS)


def test_cells_that_run_again_replace_their_own_lambdas_only(lab: JupyterServer, page: LabPage) -> None:
    page.open(lab, write(lab, "lambdas.ipynb", *LAMBDAS))
    for run in (1, 2):
        page.run_all_cells()
        told = f"run {run} ['losses', 'accs', 'losses', 'accs']"
        expect(page.page.locator(".jp-Notebook")).to_contain_text(told, timeout=60_000)


def test_events_of_a_notebook_appear_in_both_views_and_events_of_the_panel_reach_the_notebook(
    lab: JupyterServer, page: LabPage, notebook: str
) -> None:
    page.open(lab, notebook).join("talk")
    page.run_all_cells()
    cells = page.page.locator(".jp-Notebook")
    widget = cells.get_by_role("region", name="Room talk").get_by_role("log")

    expect(page.events).to_contain_text(["metric"], timeout=60_000)
    expect(page.events).to_contain_text(['{"loss": 0.25}'])
    expect(widget).to_contain_text("metric")
    expect(widget).to_contain_text("0.25")

    page.emit("hello", '{"from": "the panel"}')
    expect(cells).to_contain_text("heard {'from': 'the panel'}")
    expect(widget).to_contain_text("the panel")
    expect(page.events).to_have_count(2)
