"""The notebooks of tables and pictures, run in two kernels of a real Jupyter server."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.jupyter import JupyterServer, wait_until
from support.notebook import Notebook

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
PNG = b"\x89PNG"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[JupyterServer]:
    with JupyterServer(tmp_path) as running:
        yield running


def pictures(notebook: Notebook, cell: str) -> list[bytes]:
    shown = [base64.b64decode(each) for each in notebook.shown(cell, "image/png")]
    return [each for each in shown if each.startswith(PNG)]


@pytest.mark.timeout(300)
def test_a_table_a_figure_and_images_arrive_as_what_they_were(server: JupyterServer) -> None:
    watcher = Notebook(server, NOTEBOOKS / "03-watch.ipynb")
    watcher.run_all()
    trainer = Notebook(server, NOTEBOOKS / "03-tables-and-pictures.ipynb")
    trainer.run_all()
    wait_until(lambda: pictures(watcher, "images"), "the images are shown")
    wait_until(lambda: watcher.value("lab.lag") == 0, "the partner has handled everything")
    assert any("accuracy" in table for table in watcher.shown("table", "text/html"))
    assert len(pictures(watcher, "figure")) == len(pictures(trainer, "figure")) == 1
    assert "→" in watcher.shown("images")[-1]
    assert trainer.printed("same") == "DataFrame (15, 2) True\n"
    assert trainer.value("metrics.accuracy.iloc[-1]") > 0.8
    history = trainer.shown("read", "text/html")[0]
    for words in ("DataFrame", "wrong", "confusion"):
        assert words in history
    watcher.run("state")
    assert "metrics" in watcher.shown("state", "text/html")[0]
    for notebook in (watcher, trainer):
        notebook.close()
