"""What is idle is stopped, and what works is not: Jupyter's own shutdown and culling, with short times."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from support.jupyter import OTHERS, JupyterServer, wait_until
from support.socketio_peer import Peer, connected

pytestmark = pytest.mark.serial
TIMEOUT = 3
OFTEN = """
from tornado.ioloop import PeriodicCallback

def _jupyter_server_extension_points():
    return [{"module": "often"}]

def _load_jupyter_server_extension(serverapp):
    pass

async def _start_jupyter_server_extension(serverapp):
    PeriodicCallback(serverapp.shutdown_no_activity, 200).start()
"""
"""A server extension that has Jupyter look for idleness more often than once a minute."""


def short_lived(home: Path) -> JupyterServer:
    """Return a server that stops after `TIMEOUT` seconds without activity."""
    (home / "often.py").write_text(OFTEN)
    extensions = {**dict.fromkeys(OTHERS, False), "jupyter_rtmsg": True, "often": True}
    settings = {"jpserver_extensions": extensions, "shutdown_no_activity_timeout": TIMEOUT}
    path = os.pathsep.join(filter(None, [str(home), os.environ.get("PYTHONPATH")]))
    return JupyterServer(home, config={"ServerApp": settings}, environment={"PYTHONPATH": path})


def publish(peer: Peer) -> None:
    assert peer.command("publish", room="lab", event="task")["ok"]
    time.sleep(0.1)


def test_a_server_stays_while_it_is_published_to_and_stops_when_clients_only_listen(tmp_path: Path) -> None:
    with short_lived(tmp_path) as server, connected(server, auth={"token": server.token}) as peer:
        peer.command("join", room="lab")
        end = time.monotonic() + 3 * TIMEOUT
        while time.monotonic() < end:
            publish(peer)
        assert server.process
        wait_until(lambda: server.process and server.process.poll() is not None, "it stops, with a member connected")


def kernels(server: JupyterServer) -> set[str]:
    return {kernel["id"] for kernel in server.request("GET", "api/kernels").json()}


def test_kernels_whose_handlers_work_are_not_culled_and_those_that_only_receive_are(tmp_path: Path) -> None:
    culling = {"cull_idle_timeout": TIMEOUT, "cull_interval": 1}
    config = {"MappingKernelManager": culling}
    join = "import jupyter_rtmsg as rt; lab = rt.connect().join('lab')"
    with JupyterServer(tmp_path, config=config) as server, connected(server, auth={"token": server.token}) as peer:
        worker = server.start_kernel("worker.ipynb")
        server.execute(worker, f"{join}\nlab.on('task', lambda event: None)")

        def only_the_worker() -> bool:
            publish(peer)
            return kernels(server) == {worker}

        server.execute(server.start_kernel("receiver.ipynb"), join)
        wait_until(only_the_worker, "the kernel without handlers is culled")
        end = time.monotonic() + 2 * TIMEOUT
        while time.monotonic() < end:
            assert only_the_worker()
        wait_until(lambda: not kernels(server), "without work, the worker is culled too")
