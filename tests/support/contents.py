"""What people do to files through a Jupyter server."""

from __future__ import annotations

from urllib.parse import quote

from .jupyter import JupyterServer


def make_notebook(server: JupyterServer, path: str) -> str:
    """Save an empty notebook, in directories that are made if need be."""
    parts = path.split("/")
    for depth in range(1, len(parts)):
        (server.root / "/".join(parts[:depth])).mkdir(exist_ok=True)
    empty = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    answer = server.request("PUT", _contents(path), {"type": "notebook", "content": empty})
    assert answer.status in (200, 201), answer.text
    return path


def rename(server: JupyterServer, old: str, new: str, **request: str) -> None:
    """Rename or move a file or a directory."""
    answer = server.request("PATCH", _contents(old), {"path": new}, **request)
    assert answer.status == 200, answer.text


def delete(server: JupyterServer, path: str) -> None:
    """Delete a file or a directory."""
    answer = server.request("DELETE", _contents(path))
    assert answer.status == 204, answer.text


def open_session(server: JupyterServer, path: str) -> tuple[str, str]:
    """Open a notebook with a kernel as a front-end does; return the ids of the session and of the kernel."""
    model = {"path": path, "name": path, "type": "notebook", "kernel": {"name": "python3"}}
    answer = server.request("POST", "api/sessions", model)
    assert answer.status == 201, answer.text
    return answer.json()["id"], answer.json()["kernel"]["id"]


def name_session(server: JupyterServer, session: str, path: str) -> None:
    """Give a session another path, as a front-end does after a rename."""
    model = {"path": path, "name": path, "type": "notebook"}
    assert server.request("PATCH", f"api/sessions/{session}", model).status == 200


def _contents(path: str) -> str:
    return f"api/contents/{quote(path)}"
