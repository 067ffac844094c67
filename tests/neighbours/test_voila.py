"""Voilà, within a Jupyter server and alone: its kernels run for one reader of a dashboard, and are soon gone."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import neighbours
from support.jupyter import JupyterServer, wait_until
from support.ports import free_port

import jupyter_rtmsg as rt

pytestmark = pytest.mark.timeout(300)
CELL = """
import json
import jupyter_rtmsg as rt
lab = rt.connect().join({arguments})
seq = lab.emit("seen", 1)
print("<<" + json.dumps([lab.subscription, lab.me.kind, seq > 0]) + ">>")
"""


def write(server: JupyterServer, name: str, arguments: str = "'voila'") -> Path:
    cell = {
        "cell_type": "code", "execution_count": None, "id": "a", "metadata": {}, "outputs": [],
        "source": CELL.format(arguments=arguments),
    }  # fmt: skip
    spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = {"cells": [cell], "metadata": {"kernelspec": spec}, "nbformat": 4, "nbformat_minor": 5}
    path = server.root / name
    path.write_text(json.dumps(notebook))
    return path


def printed(page: str) -> Any:
    """Return what the cell printed, which is in the page of the dashboard."""
    match = re.search("(?:&lt;){2}(.*?)(?:&gt;){2}", page)
    assert match, page
    return json.loads(match[1].replace("&#34;", '"').replace("&quot;", '"'))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    config = neighbours.extensions("voila.server_extension")
    with JupyterServer(tmp_path_factory.mktemp("voila"), python=neighbours.PYTHON, config=config) as server:
        yield server


def test_a_dashboard_in_the_server_takes_part_and_leaves_nothing_behind(server: JupyterServer) -> None:
    write(server, "board.ipynb")
    for _ in range(2):
        answer = server.request("GET", "voila/render/board.ipynb")
        assert answer.status == 200
        assert printed(answer.text) == [None, "kernel", True]
        assert "Warning" not in answer.text, "who looks at a dashboard did not write it"
    with rt.Client(server.url, server.rtmsg_token) as hub:
        assert hub.subscriptions("voila") == []


def test_a_dashboard_may_read_history_and_have_a_named_subscription(server: JupyterServer) -> None:
    write(server, "named.ipynb", "'named-board', as_='the-board'")
    answer = server.request("GET", "voila/render/named.ipynb")
    assert printed(answer.text) == ["the-board", "kernel", True]
    with rt.Client(server.url, server.rtmsg_token) as hub:
        assert [each.name for each in hub.subscriptions("named-board")] == ["the-board"]


class Standalone:
    """`voila notebook.ipynb`, started as in a terminal of the server, or elsewhere on its machine."""

    def __init__(self, server: JupyterServer, notebook: Path, *, terminal: bool) -> None:
        self.url = f"http://127.0.0.1:{free_port()}/"
        environment = server._variables()
        if terminal:
            environment |= {"RTMSG_URL": server.url, "RTMSG_TOKEN": server.rtmsg_token}
        arguments = [f"--port={self.url.split(':')[2].strip('/')}", "--no-browser", "--Voila.ip=127.0.0.1"]
        self._process = subprocess.Popen(
            [neighbours.program("voila"), str(notebook), *arguments],
            env=environment, cwd=server.root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def page(self) -> str:
        return str(wait_until(self._page, "Voilà answers", timeout=120))

    def _page(self) -> str | None:
        assert self._process.poll() is None, "Voilà ended"
        try:
            with urllib.request.urlopen(self.url, timeout=120) as response:
                return str(response.read().decode())
        except OSError:
            return None

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(60)


@pytest.mark.parametrize("terminal", [True, False], ids=["in a terminal of the server", "beside the server"])
def test_voila_alone_takes_part_as_a_script(server: JupyterServer, terminal: bool) -> None:
    voila = Standalone(server, write(server, f"alone-{terminal}.ipynb"), terminal=terminal)
    try:
        page = voila.page()
    finally:
        voila.stop()
    subscription, kind, stored = printed(page)
    assert (subscription, stored) == (None, True)
    assert kind != "kernel", "the server did not start this kernel, and cannot know it"
    assert "Warning" not in page
