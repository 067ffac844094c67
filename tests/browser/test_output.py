"""What handlers show when their cell has ended long ago: on the page that ran it, and after it was loaded again."""

from __future__ import annotations

import nbformat
from playwright.sync_api import expect
from support.jupyter import JupyterServer, wait_until

import jupyter_rtmsg as rt
from browser.labpage import LabPage

CELLS = (
    "import ipywidgets, jupyter_rtmsg as rt\nlab, out = rt.connect().join('output'), ipywidgets.Output()",
    "lab.on('n', lambda event: print('printed', event.data))",
    "handle = display('', display_id=True)\n"
    "lab.on('n', lambda event: print('in the display', event.data), output=handle)",
    "lab.on('n', lambda event: print('in the widget', event.data), output=out)\nout",
    "from jupyter_rtmsg.widgets import RoomView\nRoomView(lab)",
    "print('all cells', 'ran')",
)


def test_widgets_show_events_after_the_page_was_reloaded(lab: JupyterServer, page: LabPage) -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, lab.root / "output.ipynb")
    cells = page.open(lab, "output.ipynb", panel=False).page.locator(".jp-Notebook")
    page.run_all_cells()
    expect(cells).to_contain_text("all cells ran", timeout=60_000)
    with rt.Client(lab.url, lab.token) as hub:
        room = hub.join("output")
        room.emit("n", 1)
        for text in ("printed 1", "in the display 1", "in the widget 1"):
            expect(cells).to_contain_text(text)
        wait_until(lambda: _is_saved(page), "the notebook is saved, with the last picture of its widget")

        cells = page.load(lab, "output.ipynb", panel=False).page.locator(".jp-Notebook")
        for text in ("printed 1", "in the display 1", "in the widget 1"):
            expect(cells).to_contain_text(text, timeout=60_000)
        room.emit("n", 2)
        expect(cells).to_contain_text("in the widget 2")
        view = cells.get_by_role("region", name="Room output").get_by_role("log")
        expect(view.get_by_role("option")).to_have_count(2)
        # JupyterLab drops these (docs/client.md, Output)
        expect(cells).not_to_contain_text("printed 2")
        expect(cells).not_to_contain_text("in the display 2")


def _is_saved(page: LabPage) -> bool:
    """Save the notebook; tell whether nothing has changed since."""
    page.command("docmanager:save")
    return page.page.locator(".jp-mod-dirty").count() == 0
