"""xeus-python: a Python kernel that is not ipykernel."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from support import neighbours
from support.jupyter import JupyterServer, wait_until

pytestmark = [pytest.mark.linux, pytest.mark.timeout(300)]  # its wheels are for Linux


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    home = tmp_path_factory.mktemp("xeus")
    with JupyterServer(home, python=neighbours.PYTHON, config=neighbours.extensions()) as server:
        yield server


def start(server: JupyterServer, spec: str, notebook: str) -> str:
    session = {"path": notebook, "name": notebook, "type": "notebook", "kernel": {"name": spec}}
    answer = server.request("POST", "api/sessions", session)
    assert answer.status == 201, answer.text
    return str(answer.json()["kernel"]["id"])


def show(server: JupyterServer, kernel: str, expression: str) -> Any:
    return json.loads(server.execute(kernel, f"import json; print(json.dumps({expression}))").text)


@pytest.mark.parametrize("spec", ["xpython", "xpython-raw"])
def test_its_notebook_is_the_reader_and_its_handlers_run(server: JupyterServer, spec: str) -> None:
    kernel = start(server, spec, f"{spec}.ipynb")
    cell = (
        "import jupyter_rtmsg as rt\nhub = rt.connect()\n"
        f"lab = hub.join({spec!r})\nheard = []\nlab.on('n', lambda event: heard.append(event.data))\nlab.emit('n', 1)"
    )
    assert "Warning" not in server.execute(kernel, cell).text
    wait_until(lambda: show(server, kernel, "heard") == [1], "the handler ran")
    assert show(server, kernel, "[lab.subscription, lab.me.kind]") == [f"{spec}.ipynb", "kernel"]


def test_a_forked_worker_leaves_the_notebook_its_place(server: JupyterServer) -> None:
    kernel = start(server, "xpython", "forks.ipynb")
    cell = """
import multiprocessing
import jupyter_rtmsg as rt

lab = rt.connect().join("forks")

def work(results):
    own = rt.connect().join("forks")
    results.put((own.subscription, own.me.kind == "kernel", own.emit("n", 1) > 0))

fork = multiprocessing.get_context("fork")
results = fork.SimpleQueue()
worker = fork.Process(target=work, args=(results,))
worker.start()
print(results.get(), lab.emit("n", 2) > 0, lab.subscription)
worker.join()
"""
    assert server.execute(kernel, cell).text.strip() == "(None, False, True) True forks.ipynb"
