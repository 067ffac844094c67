"""Two notebooks talk, and what one misses waits for it: real kernels of a real Jupyter server."""

from __future__ import annotations

import getpass
import json
import os
import signal
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.jupyter import JupyterServer, wait_until

JOIN = """
import getpass
import json
import jupyter_rtmsg as rt

hub = rt.connect()
lab = hub.join("lab")
heard = []

@lab.on()
def keep(event):
    heard.append(event)
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[JupyterServer]:
    with JupyterServer(tmp_path) as server:
        yield server


def show(server: JupyterServer, kernel: str, expression: str) -> Any:
    """Return the value of an expression in a kernel."""
    return json.loads(server.execute(kernel, f"print(json.dumps({expression}))").text)


def heard(server: JupyterServer, kernel: str, event: str) -> list[Any]:
    return list(show(server, kernel, f"[e.data for e in heard if e.name == {event!r}]"))


def kill(server: JupyterServer, kernel: str) -> None:
    """Kill a kernel as the machine's operator or an out-of-memory killer would."""
    os.kill(server.kernel_pid(kernel), signal.SIGKILL)


@pytest.mark.timeout(300)
def test_a_notebook_whose_kernel_was_killed_gets_exactly_the_missed_events(server: JupyterServer) -> None:
    train, plot = server.start_kernel("train.ipynb"), server.start_kernel("plot.ipynb")
    for kernel in (train, plot):
        server.execute(kernel, JOIN)
    assert show(server, plot, "lab.subscription") == "plot.ipynb"
    assert show(server, plot, "len(lab.missed())") == 0

    # They hear each other while their own cells compute, in one order, binary data included.
    server.execute(train, 'lab.emit("metric", {"loss": 0.5, "weights": bytes(range(256))})')
    server.execute(plot, 'lab.emit("seen", "the first")')
    waiting = "import time; deadline = time.monotonic() + 60\nwhile len(heard) < 2: assert time.monotonic() < deadline"
    for kernel in (train, plot):
        server.execute(kernel, waiting)
        assert show(server, kernel, "[e.name for e in heard]") == ["metric", "seen"]
        assert show(server, kernel, "heard[0].data['weights'] == bytes(range(256))") is True
    sender = show(server, plot, "[getattr(heard[0].sender, key) for key in ('user', 'kind', 'name', 'notebook')]")
    assert sender == [getpass.getuser(), "kernel", "train", "train.ipynb"]
    assert ">train (you)<" in show(server, plot, "lab.history()._repr_html_()")

    wait_until(lambda: show(server, plot, "lab.lag") == 0, "the plotting notebook has acknowledged everything")
    kill(server, plot)
    server.execute(train, 'for n in range(1000): lab.emit("step", n)', timeout=120)
    server.restart_kernel(plot)

    server.execute(plot, JOIN)
    assert show(server, plot, "[e.name for e in lab.missed()]") == ["step"] * 1000
    assert show(server, plot, "[e.data for e in lab.missed()]") == list(range(1000))
    # Its handlers get the same, and then go on live.
    server.execute(train, 'lab.emit("live", "after")')
    wait_until(lambda: heard(server, plot, "live") == ["after"], "the restarted notebook hears live events")
    assert heard(server, plot, "step") == list(range(1000))
    assert show(server, plot, "len(heard)") == 1001


@pytest.mark.timeout(300)
def test_a_kernel_hears_another_within_milliseconds(server: JupyterServer) -> None:
    one, other = server.start_kernel("one.ipynb"), server.start_kernel("other.ipynb")
    for kernel in (one, other):
        server.execute(kernel, JOIN)
    listen = """
import time
taken = []
@lab.on("tick")
def note(event): taken.append(time.monotonic_ns() - event.data)
"""
    server.execute(other, listen)
    server.execute(one, 'import time\nfor _ in range(200): lab.emit("tick", time.monotonic_ns())')
    wait_until(lambda: show(server, other, "len(taken)") == 200, "all ticks arrived")
    milliseconds = [taken / 1e6 for taken in show(server, other, "taken")]
    # The aim, 3 ms, is measured by benchmarks/latency.py, at rest; delayed acknowledgements would cost 40 ms.
    assert statistics.median(milliseconds) < 20


@pytest.mark.timeout(300)
def test_a_second_client_of_a_kernel_is_a_member_beside_the_first_and_is_told_so(server: JupyterServer) -> None:
    kernel, other = server.start_kernel("first.ipynb"), server.start_kernel("other.ipynb")
    for each in (kernel, other):
        server.execute(each, JOIN)
    cell = "beside = rt.Client(hub.url).connect().join('lab')\nnoted = []\nbeside.on('*', noted.append)"
    assert "another client of this process has the place of this notebook" in server.execute(kernel, cell).text
    server.execute(other, "lab.emit('n', 1)")
    wait_until(lambda: show(server, kernel, "[len(heard), len(noted), lab.lag]") == [1, 1, 0], "both hear it")
    assert show(server, kernel, "[lab.subscription, beside.subscription]") == ["first.ipynb", None]
    assert show(server, kernel, "[lab.status, beside.status]") == ["connected", "connected"]

    # Whichever of the two comes back first after the connection broke, the first keeps the place.
    server.execute(kernel, "beside.client.socket.drop()\nhub.socket.drop()")
    server.execute(other, "lab.emit('n', 2)")
    wait_until(lambda: show(server, kernel, "[len(heard), len(noted), lab.lag]") == [2, 2, 0], "both hear on")
    server.restart_kernel(kernel)
    server.execute(other, "lab.emit('n', 3)")
    server.execute(kernel, JOIN)
    assert show(server, kernel, "lab.missed().data") == [3]
