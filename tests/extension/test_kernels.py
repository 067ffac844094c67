from __future__ import annotations

import hashlib
import hmac
import json
import threading
import uuid

import pytest
from support.jupyter import JupyterServer
from support.socketio_peer import Peer, connected

from jupyter_rtmsg.extension.kernels import notebook_path


def proof(server: JupyterServer, kernel: str, peer: Peer) -> str:
    """Make the proof of docs/wire.md from the kernel's connection file."""
    key = json.loads((server.runtime / f"kernel-{kernel}.json").read_text())["key"]
    return hmac.new(key.encode(), f"rtmsg:{peer.id}".encode(), hashlib.sha256).hexdigest()


def prove(server: JupyterServer, kernel: str, peer: Peer) -> str | None:
    reply = peer.command("prove", kernel=kernel, proof=proof(server, kernel, peer))
    assert reply["ok"], reply
    return reply["notebook"]


def notebook(server: JupyterServer, path: str) -> str:
    empty = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    assert server.request("PUT", f"api/contents/{path}", {"type": "notebook", "content": empty}).status == 201
    return path


def test_a_kernel_proves_itself_with_the_key_of_its_connection_file(jupyter: JupyterServer) -> None:
    kernel = jupyter.start_kernel(notebook(jupyter, "proof.ipynb"))
    with connected(jupyter, auth={"token": jupyter.rtmsg_token}) as peer:
        assert prove(jupyter, kernel, peer) == "proof.ipynb"
        reply = peer.command("join", room="proof")
        assert reply["as"] == "proof.ipynb"
        (member,) = reply["members"]
        assert (member["kind"], member["name"], member["notebook"]) == ("kernel", "proof", "proof.ipynb")


def test_a_kernel_without_a_notebook_leaves_no_subscription_behind(jupyter: JupyterServer) -> None:
    kernel = jupyter.start_kernel()
    with connected(jupyter, auth={"token": jupyter.rtmsg_token}) as peer:
        assert prove(jupyter, kernel, peer) is None
        reply = peer.command("join", room="alone")
        assert ("as" in reply, reply["missed"]) == (False, None)
        assert peer.command("subscriptions", room="alone")["subscriptions"] == []


def open_session(server: JupyterServer, path: str, kind: str = "notebook", kernel: str | None = None) -> dict[str, str]:
    """Open a session as a front-end does; return its id and its kernel's."""
    model = {"path": path, "name": path, "type": kind, "kernel": {"id": kernel} if kernel else {"name": "python3"}}
    answer = server.request("POST", "api/sessions", model)
    assert answer.status == 201, answer.text
    return {"id": answer.json()["id"], "kernel": answer.json()["kernel"]["id"]}


def name_session(server: JupyterServer, session: str, path: str) -> None:
    model = {"path": path, "name": path, "type": "notebook"}
    assert server.request("PATCH", f"api/sessions/{session}", model).status == 200


def test_a_session_that_jupyterlab_opens_under_a_uuid_has_its_notebook_once_that_is_named(
    jupyter: JupyterServer,
) -> None:
    session = open_session(jupyter, str(uuid.uuid4()))
    naming = threading.Timer(0.3, name_session, [jupyter, session["id"], "named.ipynb"])
    with connected(jupyter, auth={"token": jupyter.rtmsg_token}) as peer:
        naming.start()
        assert prove(jupyter, session["kernel"], peer) == "named.ipynb"
        assert peer.command("join", room="named")["as"] == "named.ipynb"
    naming.join()


def test_a_session_that_is_named_late_has_its_notebook_at_the_next_join(jupyter: JupyterServer) -> None:
    session = open_session(jupyter, f"sub/{uuid.uuid4()}")
    with connected(jupyter, auth={"token": jupyter.rtmsg_token}) as peer:
        assert prove(jupyter, session["kernel"], peer) is None
        name_session(jupyter, session["id"], "late.ipynb")
        reply = peer.command("join", room="late")
        assert reply["as"] == "late.ipynb"
        assert reply["members"][0]["notebook"] == "late.ipynb"


def test_vs_code_opens_one_notebook_under_another_path_each_time(jupyter: JupyterServer) -> None:
    for _ in range(2):
        session = open_session(jupyter, f"sub/work-jvsc-{uuid.uuid4()}.ipynb")
        with connected(jupyter, auth={"token": jupyter.rtmsg_token}) as peer:
            assert prove(jupyter, session["kernel"], peer) == "sub/work.ipynb"


def test_a_notebook_may_be_called_by_a_uuid_but_a_window_of_vs_code_is_none(jupyter: JupyterServer) -> None:
    window = open_session(jupyter, f"{uuid.uuid4()}.ipynb")
    named = open_session(jupyter, notebook(jupyter, f"{uuid.uuid4()}.ipynb"))
    auth = {"token": jupyter.rtmsg_token}
    with connected(jupyter, auth=auth) as one, connected(jupyter, auth=auth) as other:
        assert prove(jupyter, window["kernel"], one) is None
        assert (prove(jupyter, named["kernel"], other) or "").endswith(".ipynb")


@pytest.mark.parametrize(
    ("path", "notebook"),
    [
        ("a/work.ipynb", "a/work.ipynb"),
        ("a/work-jvsc-0b0d1c1e-3f5a-4b5e-8d59-9d4d6d2b1a10.ipynb", "a/work.ipynb"),
        ("work-jvsc-0B0D1C1E-3f5a-4b5e-8d59-9d4d6d2b1a10", "work.ipynb"),
        ("a-jvsc-b-jvsc-0b0d1c1e-3f5a-4b5e-8d59-9d4d6d2b1a10.ipynb", "a-jvsc-b.ipynb"),
        ("my-jvsc-notes.ipynb", "my-jvsc-notes.ipynb"),
        ("a/-jvsc-0b0d1c1e-3f5a-4b5e-8d59-9d4d6d2b1a10.ipynb", "a/-jvsc-0b0d1c1e-3f5a-4b5e-8d59-9d4d6d2b1a10.ipynb"),
    ],
)
def test_the_notebook_of_a_sessions_path(path: str, notebook: str) -> None:
    assert notebook_path(path) == notebook


def test_a_console_is_no_notebook_and_one_beside_a_notebook_changes_nothing(jupyter: JupyterServer) -> None:
    alone = open_session(jupyter, "console-1", "console")
    beside = open_session(jupyter, "beside.ipynb")
    open_session(jupyter, "console-2", "console", beside["kernel"])
    auth = {"token": jupyter.rtmsg_token}
    with connected(jupyter, auth=auth) as one, connected(jupyter, auth=auth) as other:
        assert prove(jupyter, alone["kernel"], one) is None
        assert prove(jupyter, beside["kernel"], other) == "beside.ipynb"


def test_a_session_with_a_path_that_no_file_can_have_has_no_notebook(jupyter: JupyterServer) -> None:
    session = open_session(jupyter, "short.ipynb")
    name_session(jupyter, session["id"], "x" * 300_000 + ".ipynb")
    with connected(jupyter, auth={"token": jupyter.rtmsg_token}) as peer:
        assert prove(jupyter, session["kernel"], peer) is None
        assert "notebook" not in peer.command("join", room="long")["members"][0]


@pytest.mark.parametrize("wrong", ["0" * 64, "", "not hex at all", "é"])
def test_a_wrong_proof_is_refused(jupyter: JupyterServer, wrong: str) -> None:
    kernel = jupyter.start_kernel()
    with connected(jupyter, auth={"token": jupyter.rtmsg_token}) as peer:
        assert peer.command("prove", kernel=kernel, proof=wrong)["error"]["code"] in ("bad_proof", "bad_request")


def test_the_proof_of_another_connection_is_refused(jupyter: JupyterServer) -> None:
    kernel = jupyter.start_kernel()
    auth = {"token": jupyter.rtmsg_token}
    with connected(jupyter, auth=auth) as one, connected(jupyter, auth=auth) as other:
        stolen = proof(jupyter, kernel, one)
        assert other.command("prove", kernel=kernel, proof=stolen)["error"]["code"] == "bad_proof"


def test_an_unknown_kernel_is_refused(jupyter: JupyterServer) -> None:
    with connected(jupyter, auth={"token": jupyter.rtmsg_token}) as peer:
        assert peer.command("prove", kernel="no-such-kernel", proof="0" * 64)["error"]["code"] == "bad_proof"
