"""Sphinx extension: run the project's notebooks in a real Jupyter server, and write them with their outputs.

The first two notebooks talk to each other, so they run side by side, as a reader runs them: first the one that listens,
and while its last cell computes, the one that trains. The one about work starts its workers itself.
``-D run_notebooks=0`` leaves the run out: the pages then have no outputs.
"""

from __future__ import annotations

import base64
import json
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.util import logging

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "notebooks"
PICTURE = ROOT / "docs" / "images" / "roomview.png"
UPDATE = "update_display_data"
WIDGET = "application/vnd.jupyter.widget-view+json"
sys.path.insert(0, str(ROOT / "tests"))
from support.jupyter import JupyterServer, wait_until  # noqa: E402  # the tests' own server
from support.notebook import Notebook  # noqa: E402

logger = logging.getLogger(__name__)


def execute(target: Path) -> None:
    """Run the notebooks and write them, with their outputs, into a folder."""
    with tempfile.TemporaryDirectory(prefix="rtmsg-docs-") as home, JupyterServer(Path(home)) as server:
        listener = Notebook(server, SOURCES / "01-listen.ipynb")
        trainer = Notebook(server, SOURCES / "01-train.ipynb")
        *before, computation = listener.cells
        for cell in before:
            listener.run(cell)
        *cells, training, more, history, card = trainer.cells
        for cell in cells:
            trainer.run(cell)
        with ThreadPoolExecutor() as threads:
            computing = threads.submit(listener.run, computation)
            wait_until(lambda: listener.running == computation, "the listener computes")
            trainer.run(training)
            computing.result()
        for cell in (more, history, card):
            trainer.run(cell)
        wait_until(lambda: listener.value("lab.lag") == 0, "the listener has handled every event")
        for notebook, name in ((listener, "01-listen.ipynb"), (trainer, "01-train.ipynb")):
            write(SOURCES / name, target / name, {cell: outputs(notebook, cell) for cell in notebook.cells})
            notebook.close()
        execute_work(server, target)
        execute_tables(server, target)


def execute_work(server: JupyterServer, target: Path) -> None:
    """Run the notebook whose workers run another one, which is written without outputs: nobody sees them."""
    worker = SOURCES / "02-worker.ipynb"
    (server.root / worker.name).write_bytes(worker.read_bytes())
    write(worker, target / worker.name, {})
    notebook = Notebook(server, SOURCES / "02-work-that-is-shared.ipynb")
    notebook.run_all()
    write(
        SOURCES / "02-work-that-is-shared.ipynb",
        target / "02-work-that-is-shared.ipynb",
        {cell: outputs(notebook, cell) for cell in notebook.cells},
    )
    notebook.close()


def execute_tables(server: JupyterServer, target: Path) -> None:
    """Run the notebook that watches, and then the one that sends."""
    names = "03-watch.ipynb", "03-tables-and-pictures.ipynb"
    notebooks = [Notebook(server, SOURCES / name) for name in names]
    for notebook in notebooks:
        notebook.run_all()
    watcher = notebooks[0]
    wait_until(lambda: watcher.value("lab.lag") == 0, "the notebook that watches has handled every event")
    watcher.run("state")
    for notebook, name in zip(notebooks, names, strict=True):
        write(SOURCES / name, target / name, {cell: outputs(notebook, cell) for cell in notebook.cells})
        notebook.close()


def outputs(notebook: Notebook, cell: str) -> list[dict[str, Any]]:
    """Return what a cell shows when everything has run, as a notebook's file keeps it."""
    shown: list[dict[str, Any]] = []
    for message in notebook.messages_of(cell, "stream", "display_data", "execute_result"):
        content = message["content"]
        if message["msg_type"] == "stream" and "font cache" in content["text"]:  # Matplotlib's, in a new home
            continue
        if message["msg_type"] == "stream":
            shown.append({"output_type": "stream", "name": content["name"], "text": content["text"]})
            continue
        display = content.get("transient", {}).get("display_id")
        data = latest(notebook, display) or content["data"]
        if WIDGET in data:  # it needs a kernel: a page has its picture
            data = {"image/png": base64.b64encode(PICTURE.read_bytes()).decode()}
        shown.append({"output_type": "display_data", "metadata": {}, "data": data})
    return shown


def latest(notebook: Notebook, display: str | None) -> dict[str, Any] | None:
    """Return the data of the last update of a display, from whatever cell it came; None if there is none."""
    updates = [message["content"] for cell in notebook.cells for message in notebook.messages_of(cell, UPDATE)]
    data = [content["data"] for content in updates if content["transient"].get("display_id") == display]
    return data[-1] if data else None


def write(source: Path, target: Path, outputs: dict[str, list[dict[str, Any]]]) -> None:
    """Write a notebook with the outputs of its cells, by their ids."""
    document = json.loads(source.read_text(encoding="utf-8"))
    for cell in document["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"] = outputs.get(cell["id"], [])
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(document), encoding="utf-8")


def _prepare(app: Sphinx) -> None:
    target = Path(app.srcdir) / "notebooks"
    if app.config.run_notebooks:
        logger.info("running the notebooks ...")
        execute(target)
        return
    for source in SOURCES.glob("*.ipynb"):
        write(source, target / source.name, {})


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect the extension."""
    app.add_config_value("run_notebooks", True, "env", bool)
    app.connect("builder-inited", _prepare)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
