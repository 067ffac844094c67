"""What becomes of a notebook's subscription when the notebook is renamed, moved or deleted, in real servers."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.contents import delete, make_notebook, name_session, open_session, rename
from support.jupyter import JupyterServer, wait_until
from support.socketio_peer import Peer, connected


@contextmanager
def kernel_of(server: JupyterServer, kernel: str, **auth: Any) -> Iterator[Peer]:
    """Connect somebody who proves to be a kernel."""
    with connected(server, auth={"token": server.rtmsg_token, **auth}) as peer:
        key = json.loads((server.runtime / f"kernel-{kernel}.json").read_text())["key"]
        proof = hmac.new(key.encode(), f"rtmsg:{peer.id}".encode(), hashlib.sha256).hexdigest()
        reply = peer.command("hello", kernel=kernel, proof=proof)
        assert reply["kind"] == "kernel", reply
        yield peer


def listed(peer: Peer, room: str) -> list[tuple[str, bool]]:
    """Return the subscriptions in a room: the name of each, and whether it goes on."""
    found = peer.command("subscriptions", room=room)["subscriptions"]
    return [(each["as"], "ended" not in each) for each in found]


def renamed(peer: Peer) -> dict[str, str]:
    """Wait until the kernel is told of a rename."""
    while True:
        name, args = peer.received.get(timeout=60)
        if name == "$renamed":
            return dict(args[0])


def read_one(peer: Peer, room: str) -> int:
    """Join, publish an event and acknowledge it; return its seq."""
    peer.command("join", room=room)
    seq: int = peer.command("publish", room=room, event="tick")["seq"]
    assert peer.command("ack", room=room, seq=seq)["cursor"] == seq
    return seq


@pytest.mark.parametrize(
    ("made", "old", "new", "then"),
    [
        ("old.ipynb", "old.ipynb", "new.ipynb", "new.ipynb"),
        ("week1/deep/nb.ipynb", "week1", "week2", "week2/deep/nb.ipynb"),
        ("moved/nb.ipynb", "moved/nb.ipynb", "nb.ipynb", "nb.ipynb"),
        ("тест 数据/a%20b #1.ipynb", "тест 数据", "ü", "ü/a%20b #1.ipynb"),
        (f"d1/{'n' * 200}/{'m' * 200}.ipynb", "d1", "d2", f"d2/{'n' * 200}/{'m' * 200}.ipynb"),
    ],
)
def test_a_live_notebook_goes_on_acknowledging_after_it_or_its_directory_was_renamed(
    jupyter: JupyterServer, made: str, old: str, new: str, then: str
) -> None:
    session, kernel = open_session(jupyter, make_notebook(jupyter, made))
    room = "r" + hashlib.sha256(made.encode()).hexdigest()
    with kernel_of(jupyter, kernel) as peer:
        seq = read_one(peer, room)
        rename(jupyter, old, new)
        assert renamed(peer) == {"old": made, "notebook": then}
        assert [member["notebook"] for member in peer.command("presence", room=room)["members"]] == [then]
        missed = peer.command("publish", room=room, event="tock")["seq"]
        assert peer.command("lag", room=room)["cursor"] == seq
        assert peer.command("ack", room=room, seq=missed)["cursor"] == missed
        assert listed(peer, room) == [(then, True)]
        missed = peer.command("publish", room=room, event="tock")["seq"]
    for path in (None, then):  # the session is given its new path after the rename, or never
        if path:
            name_session(jupyter, session, path)
        with kernel_of(jupyter, kernel) as peer:
            reply = peer.command("join", room=room)
            assert (reply["as"], reply["missed"]) == (then, 1)


def test_a_notebook_that_vs_code_runs_is_followed_too(jupyter: JupyterServer) -> None:
    make_notebook(jupyter, "code/work.ipynb")
    _, kernel = open_session(jupyter, f"code/work-jvsc-{uuid.uuid4()}.ipynb")
    with kernel_of(jupyter, kernel) as peer:
        read_one(peer, "code")
        rename(jupyter, "code/work.ipynb", "code/done.ipynb")
        assert renamed(peer)["notebook"] == "code/done.ipynb"
    with kernel_of(jupyter, kernel) as peer:
        assert peer.command("join", room="code")["as"] == "code/done.ipynb"


def test_a_notebook_that_is_renamed_again_and_again_is_followed(jupyter: JupyterServer) -> None:
    _, kernel = open_session(jupyter, make_notebook(jupyter, "chain/a.ipynb"))
    with kernel_of(jupyter, kernel) as peer:
        seq = read_one(peer, "chain")
        for old, new in (("chain/a.ipynb", "chain/b.ipynb"), ("chain", "links"), ("links/b.ipynb", "links/c.ipynb")):
            rename(jupyter, old, new)
        while renamed(peer)["notebook"] != "links/c.ipynb":
            pass
        assert (peer.command("lag", room="chain")["cursor"], listed(peer, "chain")) == (seq, [("links/c.ipynb", True)])
    with kernel_of(jupyter, kernel) as peer:
        assert peer.command("join", room="chain")["as"] == "links/c.ipynb"


def test_the_name_of_a_renamed_notebook_is_free_for_another_one(jupyter: JupyterServer) -> None:
    session, kernel = open_session(jupyter, make_notebook(jupyter, "free/Untitled.ipynb"))
    with kernel_of(jupyter, kernel) as peer:
        read_one(peer, "free")
        rename(jupyter, "free/Untitled.ipynb", "free/report.ipynb")
        name_session(jupyter, session, "free/report.ipynb")
        _, other = open_session(jupyter, make_notebook(jupyter, "free/Untitled.ipynb"))
        with kernel_of(jupyter, other) as new:
            assert new.command("join", room="free")["missed"] == 0
            assert sorted(listed(new, "free")) == [("free/Untitled.ipynb", True), ("free/report.ipynb", True)]


@pytest.mark.parametrize(("made", "deleted"), [("gone/Untitled.ipynb",) * 2, ("trash/deep/nb.ipynb", "trash")])
def test_a_deleted_notebook_or_directory_starts_anew_and_is_listed_as_ended(
    jupyter: JupyterServer, made: str, deleted: str
) -> None:
    session, kernel = open_session(jupyter, make_notebook(jupyter, made))
    room = deleted.partition("/")[0]
    with kernel_of(jupyter, kernel) as peer:
        read_one(peer, room)
    assert jupyter.request("DELETE", f"api/sessions/{session}").status == 204
    delete(jupyter, deleted)
    _, kernel = open_session(jupyter, make_notebook(jupyter, made))
    with kernel_of(jupyter, kernel) as peer:
        peer.command("publish", room=room, event="tick")
        assert peer.command("join", room=room)["missed"] == 0
        assert sorted(listed(peer, room)) == [(made, False), (made, True)]


def test_a_link_is_another_name_of_the_same_notebook(jupyter: JupyterServer) -> None:
    make_notebook(jupyter, "target/real.ipynb")
    (jupyter.root / "link.ipynb").symlink_to(jupyter.root / "target" / "real.ipynb")
    (jupyter.root / "linked").symlink_to(jupyter.root / "target")
    _, kernel = open_session(jupyter, "link.ipynb")
    with kernel_of(jupyter, kernel) as peer:
        seq = read_one(peer, "links")
        rename(jupyter, "link.ipynb", "other link.ipynb")  # the notebook is where it was
        assert renamed(peer) == {"old": "link.ipynb", "notebook": "other link.ipynb"}
        delete(jupyter, "other link.ipynb")
        peer.command("publish", room="links", event="tock")
    for path in ("linked/real.ipynb", "target/real.ipynb"):
        _, kernel = open_session(jupyter, path)
        with kernel_of(jupyter, kernel) as peer:
            reply = peer.command("join", room="links")
            assert (reply["as"], reply["cursor"], reply["missed"]) == (path, seq, 1)
            assert listed(peer, "links") == [(path, True)]


def server_at(home: Path, root: Path) -> JupyterServer:
    """Make a server with a root of its own; its log and its other files are those of the one before."""
    server = JupyterServer(home / "server", config={"ServerApp": {"root_dir": str(root)}})
    server.root = root
    return server


def test_a_server_whose_root_is_a_link_follows_too_and_its_other_roots_know_the_same_notebooks(tmp_path: Path) -> None:
    real = tmp_path / "home" / "proj-a"
    real.mkdir(parents=True)
    (tmp_path / "link").symlink_to(real)
    (tmp_path / "home" / "proj-a" / "week1").mkdir()
    with server_at(tmp_path, tmp_path / "link") as one:
        _, kernel = open_session(one, make_notebook(one, "week1/old.ipynb"))
        with kernel_of(one, kernel) as peer:
            seq = read_one(peer, "lab")
            rename(one, "week1", "week2")
            assert renamed(peer)["notebook"] == "week2/old.ipynb"
            rename(one, "week2/old.ipynb", "week2/new.ipynb")
            assert renamed(peer)["notebook"] == "week2/new.ipynb"
            peer.command("publish", room="lab", event="tock")
    for root, path, missed in (
        (tmp_path / "home", "proj-a/week2/new.ipynb", 1),  # started one directory higher
        (tmp_path / "other", "week2/new.ipynb", 0),  # another project
        (real, "week2/new.ipynb", 1),
    ):
        root.mkdir(exist_ok=True)
        with server_at(tmp_path, root) as again:
            _, kernel = open_session(again, make_notebook(again, path))
            with kernel_of(again, kernel) as peer:
                reply = peer.command("join", room="lab")
                assert (reply["as"], reply["missed"]) == (path, missed)
                assert missed == 0 or reply["cursor"] == seq


def test_a_user_who_may_not_write_moves_no_subscription(tmp_path: Path) -> None:
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    config = {"ServerApp": {"authorizer_class": "support.authorizers.ReadOnly"}}
    with JupyterServer(tmp_path, config=config, environment={"PYTHONPATH": path}) as server:
        _, kernel = open_session(server, make_notebook(server, "a.ipynb"))
        with kernel_of(server, kernel) as peer:
            assert peer.command("join", room="lab")["as"] == "a.ipynb"
            rename(server, "a.ipynb", "b.ipynb")
            wait_until(lambda: "may not write here" in server.log_text(), "the rename was heard")
            assert listed(peer, "lab") == [("a.ipynb", True)]
