"""The notebook about worker groups, run as a reader runs it. It starts the kernels of its workers itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import matplotlib
import pytest
from support.jupyter import JupyterServer
from support.notebook import Notebook

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[JupyterServer]:
    fonts = {"MPLCONFIGDIR": matplotlib.get_cachedir()}  # in a new home Matplotlib lists all fonts again
    with JupyterServer(tmp_path, environment=fonts) as running:
        (running.root / "02-worker.ipynb").write_bytes((NOTEBOOKS / "02-worker.ipynb").read_bytes())
        yield running


@pytest.mark.timeout(300)
def test_each_picture_is_read_once_although_a_worker_is_killed_and_a_function_raises(server: JupyterServer) -> None:
    notebook = Notebook(server, NOTEBOOKS / "02-work-that-is-shared.ipynb")
    notebook.run_all()
    _check_what_happened(notebook)
    assert notebook.printed("again") == "60 results for 60 pictures\ndone twice: 0\ndead letters: 0\n"
    assert notebook.value("results[results['deliveries'] > 1]['deliveries'].tolist()") == [2, 4]
    assert notebook.printed("figure") == "57 of 60 are right.\n"
    assert "image/png" in notebook.media("figure")
    assert notebook.printed("end") == "0 kernels are left\n"
    assert notebook.value("len(__import__('psutil').Process().children())") == 0, "all processes have ended"
    notebook.run("join")
    assert notebook.value("[len(lab.history()), len(lab.groups())]") == [0, 0], "the next run begins with an empty room"
    notebook.close()


def _check_what_happened(notebook: Notebook) -> None:
    workers = {line.split()[0]: line.split()[-2:] for line in notebook.shown("at-work")[0].splitlines()[1:]}
    assert workers["hangs"] == ["1", "1"]
    assert notebook.printed("missing") == "done twice: 0\nnot done: [1090]\n"
    assert "ValueError: too many values" in notebook.shown("letters")[0]
    assert "height, width = picture.shape" in notebook.printed("traceback")
    assert notebook.shown("mend") == ["1"]
