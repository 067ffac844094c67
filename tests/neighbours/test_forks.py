"""Workers of a notebook: what a kernel forks is a script of its own, and leaves the notebook its place."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import neighbours
from support.jupyter import JupyterServer

pytestmark = pytest.mark.timeout(300)
WORK = """
import os
def work(*_):
    import jupyter_rtmsg as rt
    with rt.Client() as hub:
        own = hub.join("lab")
        return [own.subscription, own.me.kind == "kernel", own.emit("n", "worker") > 0]
"""
WAYS = {
    "os.fork": """
import json
reading, writing = os.pipe()
child = os.fork()
if child == 0:
    os.write(writing, json.dumps(work()).encode())
    os._exit(0)
os.waitpid(child, 0)
done = [json.loads(os.read(reading, 1000))]
""",
    "multiprocessing": """
import multiprocessing
with multiprocessing.get_context("fork").Pool(2) as pool:
    done = pool.map(work, range(2))
""",
    "a program": """
import inspect, json, subprocess, sys
code = WORK + "import json; print(json.dumps(work()))"
done = [json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout)]
""",
}


@pytest.fixture(scope="module", params=["ipykernel 7", "ipykernel 6"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    python, config = (
        (Path(sys.executable), None) if "7" in request.param else (neighbours.PYTHON, neighbours.extensions())
    )
    with JupyterServer(tmp_path_factory.mktemp("forks"), python=python, config=config) as server:
        yield server


def show(server: JupyterServer, kernel: str, expression: str) -> Any:
    return json.loads(server.execute(kernel, f"import json; print(json.dumps({expression}))").text)


@pytest.mark.parametrize("joined_before", [True, False], ids=["after the notebook joined", "before it did"])
@pytest.mark.parametrize("way", WAYS)
def test_a_worker_is_a_script_and_the_notebook_keeps_its_place(
    server: JupyterServer, way: str, joined_before: bool
) -> None:
    notebook = f"{way}-{joined_before}.ipynb"
    kernel = server.start_kernel(notebook)
    join = "import jupyter_rtmsg as rt\nlab = rt.connect().join('lab')\nheard = []\nlab.on('n', heard.append)\n"
    server.execute(kernel, f"WORK = {WORK!r}\n{WORK}")
    if joined_before:
        server.execute(kernel, join)
    server.execute(kernel, WAYS[way])
    assert [result == [None, False, True] for result in show(server, kernel, "done")].count(False) == 0
    if not joined_before:
        server.execute(kernel, join)
    assert show(server, kernel, "lab.emit('n', 'notebook') > 0")
    assert show(server, kernel, "[lab.status, lab.subscription]") == ["connected", notebook]
