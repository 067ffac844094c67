"""In a real kernel: output goes to the cell that asked for it, and events come while another computes."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from jupyter_client.asynchronous import AsyncKernelClient
from jupyter_client.manager import AsyncKernelManager
from support.cells import execute
from support.hub import TOKEN, HubServer


class Notebook:
    """A kernel, and what its cells have printed so far."""

    def __init__(self, kernel: AsyncKernelClient) -> None:
        self._kernel = kernel
        self._cells: list[str] = []
        self._output: dict[str, str] = {}

    async def run(self, code: str, id: str | None = None) -> int:
        """Run a cell, as a frontend with or without ids of cells; return its number."""
        cell = execute(self._kernel, code, id)
        self._cells.append(cell)
        while True:
            message = await self._next()
            if message["parent_header"].get("msg_id") == cell and message["content"].get("execution_state") == "idle":
                return len(self._cells) - 1

    async def _next(self) -> dict[str, Any]:
        message: dict[str, Any] = await self._kernel.get_iopub_msg(timeout=30)
        content, kind = message["content"], message["msg_type"]
        if kind in ("stream", "error", "execute_result"):
            text = (
                content.get("text") or "\n".join(content.get("traceback", ())) or content["data"].get("text/html", "")
            )
            cell = message["parent_header"].get("msg_id", "")
            self._output[cell] = self._output.get(cell, "") + text
        return message

    async def output(self, cell: int, until: str) -> str:
        """Return what a cell has printed once it contains a text."""
        while until not in self._output.get(self._cells[cell], ""):
            await self._next()
        return self._output[self._cells[cell]]


@pytest.fixture
async def notebook(shared_hub: HubServer) -> AsyncIterator[Notebook]:
    import os
    from pathlib import Path

    manager = AsyncKernelManager(kernel_name="python3")
    environment = {**os.environ, "RTMSG_URL": shared_hub.url, "RTMSG_TOKEN": TOKEN}
    environment["PYTHONPATH"] = str(Path(__file__).parents[2])
    await manager.start_kernel(env=environment)
    kernel = manager.client()
    kernel.start_channels()
    await kernel.wait_for_ready(timeout=60)
    yield Notebook(kernel)
    kernel.stop_channels()
    await manager.shutdown_kernel(now=True)


async def test_output_goes_to_the_cell_of_its_handler_even_while_another_computes(
    notebook: Notebook, room_name: str
) -> None:
    await notebook.run(f"import jupyter_rtmsg as rt, time\nroom = rt.connect().join({room_name!r})\nseen = []")
    listener = await notebook.run(
        "@room.on('n')\ndef show(event):\n    print('got', event.data, flush=True)\n    seen.append(event.data)"
    )
    failing = await notebook.run("@room.on('n')\nasync def fail(event):\n    raise KeyError('my mistake')")
    busy = await notebook.run(
        "room.emit('n', 1)\nend = time.time() + 20\n"
        "while not seen and time.time() < end: sum(range(1000))\nprint('busy saw', seen)"
    )
    assert "busy saw [1]" in await notebook.output(busy, "busy saw")
    assert "got 1" in await notebook.output(listener, "got 1")
    assert "my mistake" in await notebook.output(failing, "my mistake")
    assert "got" not in (await notebook.output(busy, "busy"))


async def test_a_cell_that_runs_again_replaces_its_handler(notebook: Notebook, room_name: str) -> None:
    await notebook.run(f"import jupyter_rtmsg as rt\nroom = rt.connect().join({room_name!r})")
    cell = "@room.on('n')\ndef show(event):\n    print('version', version, flush=True)"
    old = await notebook.run("version = 1\n" + cell)
    new = await notebook.run("version = 2\n" + cell)
    await notebook.run(f"room = rt.connect().join({room_name!r})\nroom.emit('n')")
    assert (await notebook.output(new, "version")).count("version") == 1
    done = await notebook.run("room.emit('n'); print('done')")
    await notebook.output(done, "done")
    with pytest.raises(KeyError):
        notebook._output[notebook._cells[old]]


async def test_lambdas_of_two_cells_both_hear_and_only_their_own_cell_replaces_them(
    notebook: Notebook, room_name: str
) -> None:
    await notebook.run(f"import jupyter_rtmsg as rt\nroom = rt.connect().join({room_name!r})\nseen = []", "setup")
    await notebook.run("room.on('n', lambda event: seen.append('losses'))", "a")
    await notebook.run("room.on('n', lambda event: seen.append('accs'))", "b")
    told = await notebook.run(TOLD.format("seen == ['losses', 'accs']"), "c")
    assert "['losses', 'accs']" in await notebook.output(told, "]")
    await notebook.run("room.on('n', lambda event: seen.append('losses again'))", "a")
    told = await notebook.run(TOLD.format("seen == ['losses again', 'accs']"), "c")
    assert "['losses again', 'accs']" in await notebook.output(told, "]")


async def test_a_cell_that_runs_again_replaces_handlers_of_sockets_states_watchers_and_streams(
    notebook: Notebook, room_name: str
) -> None:
    await notebook.run("import jupyter_rtmsg as rt, threading\nhub, seen, ended = rt.connect(), [], []", "setup")
    await notebook.run(f"room = hub.join({room_name!r})", "join")
    cell = (
        "hub.socket.on('none', lambda *args: None)\nhub.socket.on_any(lambda name, *args: None)\n"
        "hub.socket.on_any_outgoing(lambda name, *args: None)\nhub.on_state(lambda state: None)\n"
        "room.watch(lambda event: event.name == '$presence' or seen.append((VERSION, event.name)))\n"
        "room.on('other', lambda event: None)\n"
        "def loop(stream, version=VERSION):\n    for event in stream: seen.append((version, 'stream'))\n"
        "    ended.append(version)\n"
        "threading.Thread(target=loop, args=(room.events('n'),), daemon=True).start()"
    )
    for version in (1, 2):
        await notebook.run(cell.replace("VERSION", str(version)), "a")
    counted = await notebook.run(
        "import time; end = time.time() + 20\nroom.emit('n')\n"
        "while not ({(2, 'n'), (2, 'stream')} <= set(seen) and ended) and time.time() < end: time.sleep(0.01)\n"
        "print(sorted(seen), ended, len(hub.socket.listeners_any()), len(hub.socket.listeners_any_outgoing()), '.')",
        "b",
    )
    said = await notebook.output(counted, " .")
    assert "[(1, '$left'), (2, 'n'), (2, 'stream')] [1] 1 1 ." in said


async def test_the_package_itself_does_not_lose_its_ear_with_a_cell_that_runs_again(
    notebook: Notebook, room_name: str
) -> None:
    cell = "import jupyter_rtmsg as rt\nhub, seen = rt.connect(), []\nhub.on_state(lambda state: None)"
    for _ in range(2):
        await notebook.run(cell, "a")
    await notebook.run(f"room = hub.join({room_name!r})\nroom.watch(lambda event: seen.append(event.name))", "b")
    told = await notebook.run(
        "import time; end = time.time() + 20\nhub.socket.drop()\n"
        "while seen.count('$state') < 2 and time.time() < end: time.sleep(0.01)\nprint(seen.count('$state'), '.')",
        "c",
    )
    assert (await notebook.output(told, ".")).split()[0] == "2"


TOLD = (
    "import time; end = time.time() + 20\nseen.clear(); room.emit('n')\n"
    "while not {} and time.time() < end: time.sleep(0.01)\nprint(seen)"
)


async def test_missed_events_are_a_table(notebook: Notebook, room_name: str) -> None:
    await notebook.run(f"import jupyter_rtmsg as rt\nroom = rt.connect().join({room_name!r})\nroom.emit('n', '<b>')")
    table = await notebook.run("room.history()")
    assert "&lt;b&gt;" in await notebook.output(table, "</table>")


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("rt.connect().join('no room')", "BadRoom: .*no room.* \\(line 1\\)"),
        ("1\ndef train():\n  room.emit('n', {1})\ntrain()", "NotJSON: .* \\(line 3 of train\\(\\)\\)"),
        ("rt.connect('http://127.0.0.1:1/', timeout=0.1)", "ServerUnreachable: .* \\(line 1\\)"),
        ("await room.emit('n', 1, expect=99, wait=False)", "Conflict: .* \\(line 1\\)"),
    ],
)
async def test_an_error_of_the_user_is_shown_in_one_line(
    notebook: Notebook, room_name: str, cell: str, said: str
) -> None:
    await notebook.run(f"import jupyter_rtmsg as rt\nroom = rt.connect().join({room_name!r})")
    number = await notebook.run(cell)
    assert re.fullmatch(said, (await notebook.output(number, "line")).strip())


async def test_a_fault_of_another_kind_keeps_its_traceback(notebook: Notebook) -> None:
    number = await notebook.run("from jupyter_rtmsg.errors import ProtocolError\nraise ProtocolError('no frame')")
    assert "Traceback" in await notebook.output(number, "no frame")
