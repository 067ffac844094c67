"""What counts as activity of a Jupyter server: publishing and handlers that work, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.jupyter import JupyterServer, wait_until
from support.socketio_peer import Peer, connected
from support.wsclient import RawClient

JOIN = "import jupyter_rtmsg as rt; room = rt.connect().join({room!r})"


@pytest.fixture
def peer(jupyter: JupyterServer) -> Iterator[Peer]:
    with connected(jupyter, auth={"token": jupyter.token}) as peer:
        yield peer


def server_activity(server: JupyterServer) -> str:
    """Return when the server was last active, in its own words; asking does not count."""
    return str(server.request("GET", "api/status").json()["last_activity"])


def kernel_activity(server: JupyterServer, kernel: str) -> str:
    path = f"api/kernels/{kernel}?no_track_activity=1"
    return str(server.request("GET", path).json()["last_activity"])


def publish(peer: Peer, room: str, event: str = "tick", **fields: object) -> int:
    reply = peer.command("publish", room=room, event=event, **fields)
    assert reply["ok"], reply
    return int(reply["seq"] or 0)


def listening(server: JupyterServer, room: str, handler: str, notebook: str | None = None) -> str:
    """Start a kernel with a handler in a room, and wait until Jupyter has noted what its cells did."""
    kernel = server.start_kernel(notebook)
    server.execute(kernel, JOIN.format(room=room) + f"\n{handler}")
    seen = kernel_activity(server, kernel)

    def quiet() -> bool:
        nonlocal seen
        before, seen = seen, kernel_activity(server, kernel)
        state = server.request("GET", f"api/kernels/{kernel}?no_track_activity=1").json()["execution_state"]
        return before == seen and state == "idle"

    wait_until(quiet, "the kernel is idle")
    return kernel


@pytest.mark.parametrize("volatile", [False, True])
def test_publishing_is_activity_of_the_server(jupyter: JupyterServer, peer: Peer, volatile: bool) -> None:
    before = server_activity(jupyter)

    def moved() -> bool:  # a publish right after another one is not noted by itself
        publish(peer, "busy", volatile=volatile)
        return server_activity(jupyter) > before

    wait_until(moved, "publishing counts")


def test_a_refused_command_is_no_activity(jupyter: JupyterServer, peer: Peer) -> None:
    before = server_activity(jupyter)
    assert not peer.command("publish", room="busy", event="$mine")["ok"]
    assert peer.command("publish", room="busy", event="a", expect=10_000)["error"]["code"] == "conflict"
    assert server_activity(jupyter) == before


def test_connecting_joining_reading_and_the_status_are_no_activity(jupyter: JupyterServer, peer: Peer) -> None:
    seq = publish(peer, "still")
    before = server_activity(jupyter)
    with connected(jupyter, auth={"token": jupyter.token}) as other:
        for command in ("join", "history", "presence"):
            assert other.command(command, room="still")["ok"]
        assert other.command("lag", room="still", after=seq)["ok"]
        assert other.command("rooms", watch=True)["ok"]
        assert other.command("leave", room="still")["ok"]
    assert jupyter.status()["log"]["durable"]
    assert jupyter.request("GET", "socket.io/?EIO=4&transport=polling").status == 200
    assert server_activity(jupyter) == before


async def test_heartbeats_are_no_activity(tmp_path: Path) -> None:
    with JupyterServer(tmp_path, config={"RtmsgApp": {"ping_interval": 0.1, "ping_timeout": 30.0}}) as server:
        client = await RawClient.open(server.port)
        await client.enter("/", {"token": server.token})
        before = server_activity(server)
        for _ in range(5):
            assert await client.receive() == "2"
            client.send("3")
        assert server_activity(server) == before


def test_acknowledgements_of_a_script_are_no_activity(jupyter: JupyterServer, peer: Peer) -> None:
    peer.command("join", room="script", **{"as": "mine"})
    seq = publish(peer, "script")
    before = server_activity(jupyter)
    assert peer.command("ack", room="script", seq=seq, **{"as": "mine"})["cursor"] == seq
    assert server_activity(jupyter) == before


@pytest.mark.parametrize("notebook", ["work.ipynb", None], ids=["notebook", "console"])
def test_a_kernel_whose_handlers_work_is_active(jupyter: JupyterServer, peer: Peer, notebook: str | None) -> None:
    kernel = listening(jupyter, "work", "room.on('task', lambda event: None)", notebook)
    before = kernel_activity(jupyter, kernel)

    def moved() -> bool:
        publish(peer, "work", "task")
        return kernel_activity(jupyter, kernel) > before

    wait_until(moved, "handling counts")


def test_delivery_alone_is_no_activity_of_a_kernel(jupyter: JupyterServer, peer: Peer) -> None:
    kernel = listening(jupyter, "deaf", "")
    busy = listening(jupyter, "deaf", "room.on('task', lambda event: None)", "busy.ipynb")
    before, busy_before = kernel_activity(jupyter, kernel), kernel_activity(jupyter, busy)

    def moved() -> bool:
        publish(peer, "deaf", "task")
        return kernel_activity(jupyter, busy) > busy_before

    wait_until(moved, "the other kernel handles the same events")
    assert kernel_activity(jupyter, kernel) == before


def test_acknowledging_events_without_a_handler_is_no_activity_of_a_kernel(jupyter: JupyterServer, peer: Peer) -> None:
    kernel = listening(jupyter, "picky", "room.on('wanted', lambda event: None)", "picky.ipynb")
    before = kernel_activity(jupyter, kernel)
    seq = publish(peer, "picky", "unwanted")

    def acknowledged() -> bool:
        rows = peer.command("subscriptions", room="picky")["subscriptions"]
        return [row["cursor"] for row in rows if row["as"] == "picky.ipynb"] == [seq]

    wait_until(acknowledged, "the event is acknowledged")
    assert kernel_activity(jupyter, kernel) == before


def test_a_kernel_that_publishes_in_the_background_is_active(jupyter: JupyterServer) -> None:
    thread = """
import threading
stop = threading.Event()
def work():
    while not stop.wait(0.05): room.emit("tick")
worker = threading.Thread(target=work); worker.start()
"""
    kernel = listening(jupyter, "background", "")
    jupyter.execute(kernel, thread)
    before = kernel_activity(jupyter, kernel)
    wait_until(lambda: kernel_activity(jupyter, kernel) > before, "publishing counts")
    jupyter.execute(kernel, "stop.set()")
