"""Notebook 7 and jupyter-collaboration beside the extension: kernels talk as under JupyterLab."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from support import neighbours
from support.jupyter import JupyterServer, wait_until

pytestmark = pytest.mark.timeout(300)
JOIN = """
import jupyter_rtmsg as rt
lab = rt.connect().join('lab')
heard = []
lab.on('n', lambda event: heard.append(event.data))
"""


@pytest.fixture(scope="module")
def notebook7(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    config = neighbours.extensions("jupyterlab", "notebook", "notebook_shim")
    home = tmp_path_factory.mktemp("notebook7")
    with JupyterServer(home, command="notebook", python=neighbours.PYTHON, config=config) as server:
        yield server


@pytest.fixture(scope="module")
def collaboration(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    config = neighbours.extensions("jupyter_server_fileid", "jupyter_server_ydoc")
    with JupyterServer(tmp_path_factory.mktemp("ydoc"), python=neighbours.PYTHON, config=config) as server:
        yield server


def show(server: JupyterServer, kernel: str, expression: str) -> Any:
    return json.loads(server.execute(kernel, f"import json; print(json.dumps({expression}))").text)


def write(server: JupyterServer, path: str) -> None:
    spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = {"cells": [], "metadata": {"kernelspec": spec}, "nbformat": 4, "nbformat_minor": 5}
    answer = server.request("PUT", f"api/contents/{path}", {"type": "notebook", "content": notebook})
    assert answer.status in (200, 201), answer.text


def test_the_pages_of_notebook_7_load_the_panel(notebook7: JupyterServer) -> None:
    write(notebook7, "page.ipynb")
    for page in ("tree", "notebooks/page.ipynb"):
        answer = notebook7.request("GET", page)
        assert answer.status == 200
        match = re.search(r'id="jupyter-config-data"[^>]*>(.*?)</script>', answer.text, re.DOTALL)
        assert match, answer.text[:500]
        names = [extension["name"] for extension in json.loads(match[1])["federated_extensions"]]
        assert "jupyter-rtmsg" in names


def test_a_notebook_of_notebook_7_is_the_reader(notebook7: JupyterServer) -> None:
    """It opens a session as JupyterLab does: under a UUID, and names it right after."""
    write(notebook7, "classic.ipynb")
    model = {"path": str(uuid.uuid4()), "name": "", "type": "notebook", "kernel": {"name": "python3"}}
    session = notebook7.request("POST", "api/sessions", model).json()
    named = {"path": "classic.ipynb", "name": "classic.ipynb", "type": "notebook"}
    assert notebook7.request("PATCH", f"api/sessions/{session['id']}", named).status == 200
    kernel = session["kernel"]["id"]
    notebook7.execute(kernel, JOIN)
    notebook7.execute(kernel, "lab.emit('n', 1)")
    wait_until(lambda: show(notebook7, kernel, "heard") == [1], "the handler ran")
    assert show(notebook7, kernel, "[lab.subscription, lab.me.name]") == ["classic.ipynb", "classic"]


def test_beside_jupyter_collaboration_two_notebooks_talk(collaboration: JupyterServer) -> None:
    kernels = {}
    for name in ("one.ipynb", "two.ipynb"):
        write(collaboration, name)
        opened = collaboration.request(
            "PUT", f"api/collaboration/session/{name}", {"format": "json", "type": "notebook"}
        )
        assert opened.status in (200, 201), opened.text
        kernels[name] = collaboration.start_kernel(name)
        collaboration.execute(kernels[name], JOIN)
    collaboration.execute(kernels["one.ipynb"], "lab.emit('n', 'hello')")
    wait_until(lambda: show(collaboration, kernels["two.ipynb"], "heard") == ["hello"], "the other has heard it")
    assert show(collaboration, kernels["two.ipynb"], "lab.subscription") == "two.ipynb"
