"""Who sent an event is told the same years later: real kernels of a real Jupyter server."""

from __future__ import annotations

import getpass
import json
import os
from pathlib import Path
from typing import Any

import pytest
from support.jupyter import JupyterServer, wait_until
from support.socketio_peer import connected

TESTS = Path(__file__).parents[1]
NOTEBOOKS = ("a/hw1.ipynb", "b/hw1.ipynb")
READABLE_BY_ALL: dict[str, Any] = {}
GUARDED = {"authorizer_class": "support.authorizers.Revocable"}


def serve(home: Path, settings: dict[str, Any]) -> JupyterServer:
    path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    return JupyterServer(home, config={"ServerApp": settings}, environment={"PYTHONPATH": path})


def say(server: JupyterServer, kernel: str, expression: str) -> Any:
    return json.loads(server.execute(kernel, f"import json; print(json.dumps({expression}))").text)


def put(server: JupyterServer, *paths: str) -> None:
    for path in paths:
        (server.root / path).parent.mkdir(parents=True, exist_ok=True)
        (server.root / path).write_text(json.dumps({"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))


def emit(server: JupyterServer, kernel: str, event: str = "done") -> None:
    server.execute(kernel, f"import jupyter_rtmsg as rt; lab = rt.connect().join('lab'); lab.emit({event!r})")


def end(server: JupyterServer, kernel: str) -> None:
    assert server.request("DELETE", f"api/kernels/{kernel}").status == 204


@pytest.mark.parametrize("settings", [READABLE_BY_ALL, GUARDED], ids=["readable by all", "guarded"])
def test_events_of_departed_notebooks_with_one_name_are_distinguished(tmp_path: Path, settings: dict[str, Any]) -> None:
    shown = settings is READABLE_BY_ALL
    with serve(tmp_path, settings) as server:
        put(server, *NOTEBOOKS)
        for notebook in NOTEBOOKS:
            kernel = server.start_kernel(notebook)
            emit(server, kernel)
            end(server, kernel)
        reader = server.start_kernel("reader.ipynb")
        emit(server, reader, "read")
        senders = say(
            server, reader, "[(e.sender.user, e.sender.kind, e.sender.name, e.sender.notebook) for e in lab.history()]"
        )
        paths = [*NOTEBOOKS, "reader.ipynb"] if shown else [None] * 3
        names = ["hw1", "hw1", "reader"]
        assert senders == [[getpass.getuser(), "kernel", name, path] for name, path in zip(names, paths, strict=True)]
        table = say(server, reader, "lab.history()._repr_html_()")
        for name in ("a/hw1", "b/hw1") if shown else ("hw1",):
            assert f">{name} (you)<" in table
        assert say(server, reader, "len(lab.history(sender='hw1'))") == 2
        assert say(server, reader, "len(lab.history(sender='a/hw1.ipynb'))") == (1 if shown else 0)
        assert say(server, reader, "[m.notebook for m in lab.members]") == ["reader.ipynb"]


def test_later_events_of_a_renamed_notebook_have_its_new_name(tmp_path: Path) -> None:
    with serve(tmp_path, READABLE_BY_ALL) as server:
        put(server, "train.ipynb")
        kernel = server.start_kernel("train.ipynb")
        emit(server, kernel)
        assert server.request("PATCH", "api/contents/train.ipynb", {"path": "fit.ipynb"}).status == 200
        renamed = lambda: say(server, kernel, "[m.notebook for m in lab.members]") == ["fit.ipynb"]  # noqa: E731
        wait_until(renamed, "the others know the new name")
        with connected(server, auth={"token": server.token}) as peer:
            peer.command("join", room="lab")
            emit(server, kernel)
            _, (_, meta) = peer.take()
        assert (meta["from"]["name"], meta["from"]["notebook"]) == ("fit", "fit.ipynb")
        names = say(server, kernel, "[(e.sender.name, e.sender.notebook) for e in lab.history()]")
        assert names == [["train", "train.ipynb"], ["fit", "fit.ipynb"]]
