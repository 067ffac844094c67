from __future__ import annotations

import hashlib
import hmac
import json

import pytest
from support.jupyter import JupyterServer, wait_until
from support.socketio_peer import Peer, connected


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


def directory(server: JupyterServer, path: str) -> None:
    assert server.request("PUT", f"api/contents/{path}", {"type": "directory"}).status == 201


def rename(server: JupyterServer, old: str, new: str) -> None:
    assert server.request("PATCH", f"api/contents/{old}", {"path": new}).status == 200


def test_a_kernel_proves_itself_with_the_key_of_its_connection_file(jupyter: JupyterServer) -> None:
    kernel = jupyter.start_kernel(notebook(jupyter, "proof.ipynb"))
    with connected(jupyter, auth={"token": jupyter.rtmsg_token}) as peer:
        assert prove(jupyter, kernel, peer) == "proof.ipynb"
        reply = peer.command("join", room="proof")
        assert reply["as"] == "proof.ipynb"
        (member,) = reply["members"]
        assert (member["kind"], member["name"], member["notebook"]) == ("kernel", "proof", "proof.ipynb")


def test_a_kernel_without_a_notebook_is_known_by_its_id(jupyter: JupyterServer) -> None:
    kernel = jupyter.start_kernel()
    with connected(jupyter, auth={"token": jupyter.rtmsg_token}) as peer:
        assert prove(jupyter, kernel, peer) is None
        assert peer.command("join", room="alone")["as"] == f"kernel:{kernel}"


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


@pytest.mark.parametrize(
    ("made", "renamed", "to", "then"),
    [
        ("old.ipynb", "old.ipynb", "new.ipynb", "new.ipynb"),
        ("week1/deep/nb.ipynb", "week1", "week2", "week2/deep/nb.ipynb"),
    ],
)
def test_a_notebook_keeps_its_subscription_when_it_or_its_directory_is_renamed(
    jupyter: JupyterServer, made: str, renamed: str, to: str, then: str
) -> None:
    for depth in range(1, made.count("/") + 1):
        directory(jupyter, "/".join(made.split("/")[:depth]))
    kernel = jupyter.start_kernel(notebook(jupyter, made))
    auth = {"token": jupyter.rtmsg_token}
    room = f"renames-{to.partition('.')[0]}"
    with connected(jupyter, auth=auth) as peer:
        prove(jupyter, kernel, peer)
        peer.command("join", room=room)
        seq = peer.command("publish", room=room, event="tick")["seq"]
        peer.command("ack", room=room, seq=seq, **{"as": made})
        rename(jupyter, renamed, to)
        # The rename is told by an event, so the subscription follows a moment later.
        wait_until(lambda: peer.command("presence", room=room)["members"][0]["notebook"] == then, "it is renamed")
        missed = peer.command("publish", room=room, event="tock")["seq"]
        lag = peer.command("lag", room=room, **{"as": then})
        assert (lag["cursor"], lag["missed"], missed > seq) == (seq, 1, True)
