"""Notebooks that run without a Jupyter server of their own: nbclient, papermill, nbconvert, and kernels with none."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import neighbours
from support.jupyter import JupyterServer

import jupyter_rtmsg as rt

pytestmark = pytest.mark.timeout(300)
CELL = """
import json
import jupyter_rtmsg as rt
hub = rt.connect()
lab, again = hub.join("headless"), hub.join("headless-2")
stored = lab.emit("ran", 1) > 0
print("<<" + json.dumps([lab.subscription, lab.me.kind, stored, len(lab.missed())]) + ">>")
"""
PROGRAMS = {
    "nbclient": ["jupyter-execute", "--inplace", "run.ipynb"],
    "papermill": ["papermill", "run.ipynb", "run.ipynb"],
    "nbconvert": ["jupyter-nbconvert", "--to=notebook", "--execute", "--inplace", "run.ipynb"],
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    home = tmp_path_factory.mktemp("headless")
    with JupyterServer(home, python=neighbours.PYTHON, config=neighbours.extensions()) as server:
        yield server


def run(server: JupyterServer, program: str, folder: Path) -> list[dict[str, Any]]:
    """Run a notebook of one cell as in a terminal of the server; return the cell's outputs."""
    cell = {"cell_type": "code", "execution_count": None, "id": "a", "metadata": {}, "outputs": [], "source": CELL}
    spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = {"cells": [cell], "metadata": {"kernelspec": spec}, "nbformat": 4, "nbformat_minor": 5}
    (folder / "run.ipynb").write_text(json.dumps(notebook))
    environment = server._variables() | {"RTMSG_URL": server.url, "RTMSG_TOKEN": server.rtmsg_token}
    name, *arguments = PROGRAMS[program]
    done = subprocess.run(
        [neighbours.program(name), *arguments], env=environment, cwd=folder, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
    return list(json.loads((folder / "run.ipynb").read_text())["cells"][-1]["outputs"])


def text(outputs: list[dict[str, Any]], stream: str) -> str:
    return "".join("".join(output["text"]) for output in outputs if output.get("name") == stream)


def subscriptions(server: JupyterServer, room: str) -> list[str]:
    """Return what the hub remembers for kernels and scripts in a room."""
    with rt.Client(server.url, server.rtmsg_token) as hub:
        return [each.name for each in hub.subscriptions(room)]


@pytest.mark.parametrize("program", PROGRAMS)
def test_such_a_run_is_a_script_that_is_told_why_nothing_is_remembered(
    server: JupyterServer, program: str, tmp_path: Path
) -> None:
    outputs = run(server, program, tmp_path)
    subscription, kind, stored, missed = json.loads(text(outputs, "stdout").strip().strip("<>"))
    assert (subscription, stored, missed) == (None, True, 0)
    assert kind != "kernel"
    warned = text(outputs, "stderr")
    assert warned.count("does not know this kernel, and so not its notebook") == 1
    assert "join('headless', as_='...')" in warned
    assert "headless-2" not in warned.replace('hub.join("headless-2")', ""), "once is enough"
    assert subscriptions(server, "headless") == []


@pytest.mark.parametrize("kind", ["console", None])
def test_a_kernel_of_the_server_without_a_notebook_is_told_why_nothing_is_remembered(
    server: JupyterServer, kind: str | None
) -> None:
    if kind is None:
        kernel = server.start_kernel()
    else:
        model = {"path": f"{kind}-1", "name": kind, "type": kind, "kernel": {"name": "python3"}}
        kernel = server.request("POST", "api/sessions", model).json()["kernel"]["id"]
    printed = server.execute(kernel, CELL).text
    answer = printed[printed.index("<<") : printed.index(">>")]
    assert json.loads(answer.strip("<>")) == [None, "kernel", True, 0]
    assert printed.count("the server knows no notebook that runs in this kernel") == 1
    assert subscriptions(server, "headless") == []


def test_a_name_makes_it_a_reader_that_is_remembered(server: JupyterServer) -> None:
    cell = "import jupyter_rtmsg as rt\nlab = rt.connect().join('by-name', as_='nightly')\nprint(lab.subscription)"
    assert server.execute(server.start_kernel(), cell).text == "nightly\n"
    assert subscriptions(server, "by-name") == ["nightly"]
