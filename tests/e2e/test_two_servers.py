"""Two Jupyter servers of one data directory: both work, and nothing that was said to be kept is lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.jupyter import JupyterServer, wait_until

JOIN = """
import jupyter_rtmsg as rt
hub = rt.connect()
lab = hub.join("lab")
heard = []
@lab.on("n")
def hear(event): heard.append(event.data)
"""


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[tuple[JupyterServer, JupyterServer]]:
    first = JupyterServer(tmp_path / "one")
    with first, JupyterServer(tmp_path / "two", environment={"JUPYTER_DATA_DIR": str(first.data)}) as second:
        yield first, second


def value(server: JupyterServer, kernel: str, expression: str) -> object:
    return json.loads(server.execute(kernel, f"import json; print(json.dumps({expression}))").text)


def test_the_second_says_so_in_the_cell_and_takes_over_when_the_first_is_killed(
    servers: tuple[JupyterServer, JupyterServer],
) -> None:
    first, second = servers
    assert first.process
    one, two = first.start_kernel("a.ipynb"), second.start_kernel("b.ipynb")
    assert first.execute(one, JOIN).text == ""
    told = second.execute(two, JOIN).text
    assert "NotDurable: room 'lab': The log " in told
    assert f"is in use by another server (process {first.process.pid}), and the two do not share rooms" in told
    assert "NotDurable" in second.execute(two, "lab.emit('n', 0)").text, "the first emit of another cell says it, too"
    assert second.execute(two, "lab.emit('n', 1)").text == ""
    assert value(second, two, "[lab.emit('n', 2, wait=False).durable, lab.durable, hub.durable]")[1:] == [False, False]
    first.execute(one, "lab.emit('old', 0)")
    first.kill()
    wait_until(lambda: second.status()["log"]["durable"], "the second server has the log")
    assert second.status()["log"]["warning"] is None
    seq = value(second, two, "lab.emit('n', 3)")
    assert value(second, two, "[event.data for event in lab.history(event='n')]") == [0, 1, 2, 3]
    wait_until(lambda: value(second, two, "heard") == [0, 1, 2, 3], "each event is handled once")
    wait_until(lambda: value(second, two, "[lab.lag, lab.durable, hub.durable]") == [0, True, True], "all is well")
    second.execute(two, "lab.emit('n', 4)")
    second.restart_kernel(two)
    second.execute(two, JOIN)
    assert value(second, two, "[lab.missed_count, lab.head - 1]") == [0, seq]
    second.kill()
    second.start()
    again = second.start_kernel("c.ipynb")
    second.execute(again, JOIN)
    assert value(second, again, "[event.data for event in lab.history(event='n')]") == [0, 1, 2, 3, 4]


def test_a_directory_that_cannot_be_made_is_said_in_the_cell_and_tried_again(tmp_path: Path) -> None:
    with JupyterServer(tmp_path) as server:
        pass  # it has made its directories
    (server.data / "rtmsg").rename(tmp_path / "aside")
    (server.data / "rtmsg").write_text("in the way")
    with server.start():
        kernel = server.start_kernel("a.ipynb")
        assert "cannot be written" in server.execute(kernel, JOIN + "lab.emit('n', 1)").text
        (server.data / "rtmsg").unlink()
        wait_until(lambda: server.status()["log"]["durable"], "the log is made")
        assert value(server, kernel, "[lab.emit('n', 2), lab.durable, lab.history().data]") == [2, True, [1, 2]]
