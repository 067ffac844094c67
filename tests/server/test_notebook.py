"""A server in a notebook: on the kernel's own loop, with handlers that are defined in cells."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.asynchronous import AsyncKernelClient
from jupyter_client.manager import AsyncKernelManager
from support.cells import execute
from support.wsclient import RawClient


class Notebook:
    """A kernel that serves, and what its cells have printed so far."""

    def __init__(self, kernel: AsyncKernelClient) -> None:
        self._kernel = kernel
        self._output: dict[str, str] = {}
        self.clients: list[RawClient] = []
        self.port = 0

    async def run(self, code: str, id: str | None = None) -> str:
        """Run a cell, as a frontend with or without ids of cells, and return what its output is known by."""
        cell = execute(self._kernel, code, id)
        while True:
            message = await self._next()
            if message["parent_header"].get("msg_id") == cell and message["content"].get("execution_state") == "idle":
                return str(cell)

    async def _next(self) -> dict[str, Any]:
        message: dict[str, Any] = await self._kernel.get_iopub_msg(timeout=60)
        content, cell = message["content"], message["parent_header"].get("msg_id", "")
        text = content.get("text") or "\n".join(content.get("traceback", ()))
        self._output[cell] = self._output.get(cell, "") + text
        return message

    async def output(self, cell: str, until: str) -> str:
        """Return what a cell has printed once that contains a text."""
        while until not in self._output.get(cell, ""):
            await self._next()
        return self._output[cell]

    def printed(self, cell: str) -> str:
        """Return what a cell has printed so far."""
        return self._output.get(cell, "")

    async def enter(self, namespace: str = "/") -> RawClient:
        """Connect a client."""
        client = await RawClient.open(self.port)
        self.clients.append(client)
        await client.enter(namespace)
        return client


@pytest.fixture
async def notebook() -> AsyncIterator[Notebook]:
    manager = AsyncKernelManager(kernel_name="python3")
    await manager.start_kernel(env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])})
    kernel = manager.client()
    kernel.start_channels(hb=False)
    await kernel.wait_for_ready(timeout=60)
    notebook = Notebook(kernel)
    served = await notebook.run(
        "import asyncio, re\nfrom jupyter_rtmsg.server import Server\nio = Server()\nprint(await io.listen(), '.')"
    )
    notebook.port = int((await notebook.output(served, ".")).split()[0])
    yield notebook
    for client in notebook.clients:
        client.writer.close()
    kernel.stop_channels()
    await manager.shutdown_kernel(now=True)


CONNECTED = """
@io.on("connection")
def connected(socket):
    print("connected, version", {version}, flush=True)

    @socket.on("sum")
    async def add(a, b):
        await asyncio.sleep(0)
        print("sum, version", {version}, flush=True)
        return {version} * (a + b)
"""


async def test_a_cell_that_runs_again_replaces_its_handler_and_output_goes_to_the_cell_that_defined_it(
    notebook: Notebook,
) -> None:
    first = await notebook.run(CONNECTED.format(version=1))
    client = await notebook.enter()
    client.send('427["sum",1,2]')
    assert await client.receive() == "437[3]"
    assert "sum, version 1" in await notebook.output(first, "sum")
    said = notebook.printed(first)

    second = await notebook.run(CONNECTED.format(version=10))
    client.send('428["sum",1,2]')
    assert await client.receive() == "438[3]"  # who was there keeps the handlers it was given
    other = await notebook.enter()
    other.send('429["sum",1,2]')
    assert await other.receive() == "439[30]"
    assert (await notebook.output(second, "sum")).count("connected, version 10") == 1
    assert notebook.printed(first).count("connected") == said.count("connected") == 1


async def test_middlewares_of_a_cell_that_runs_again_are_replaced_but_not_those_that_a_function_makes(
    notebook: Notebook,
) -> None:
    for _ in range(2):
        await notebook.run("@io.use\ndef check(socket): ...\n@io.of(re.compile('/x')).use\nasync def also(socket): ...")
        await notebook.run("def rule(n):\n    def check(socket): ...\n    return check")
        await notebook.run("io.use(rule(1))\nio.use(rule(2))\nio.use(lambda socket: None)")
    counted = await notebook.run("print(len(io.of('/').middlewares), len(io.of(re.compile('/x')).middlewares), '.')")
    assert (await notebook.output(counted, ".")).split()[:2] == ["7", "1"]


async def test_a_cell_with_an_id_replaces_all_that_it_registered_and_nothing_of_other_cells(
    notebook: Notebook,
) -> None:
    await notebook.run("def rule(n): return lambda socket: None", "rules")
    cell = (
        "io.use(rule(1))\nio.use(lambda socket: None)\n"
        "io.on('connection', lambda socket: socket.emit('hello', {version}))\n"
        "for i in range(2):\n    io.of('/lab').on('connection', lambda socket, i=i: socket.emit('lab', i, {version}))"
    )
    await notebook.run("io.use(rule(2))\nio.on('connection', lambda socket: socket.emit('other'))", "b")
    for version in (1, 2):
        await notebook.run(cell.format(version=version), "a")
    client, lab = await notebook.enter(), await notebook.enter("/lab")
    assert await client.receive_many(2) == ['42["other"]', '42["hello",2]']
    assert await lab.receive_many(2) == ['42/lab,["lab",0,2]', '42/lab,["lab",1,2]']
    counted = await notebook.run("print(len(io.of('/').middlewares), '.')")
    assert (await notebook.output(counted, ".")).split()[0] == "3"


async def test_a_rerun_cell_replaces_its_listeners_on_connected_clients(notebook: Notebook) -> None:
    client = await notebook.enter()
    await notebook.run("clients = io.sockets.sockets.values()", "c")
    await notebook.run("for one in clients: one.on('q', lambda: 'other')", "b")
    for version in (1, 2):
        await notebook.run(
            "for one in clients:\n    one.on('q', lambda: None, concurrent=True)\n    one.once('q', lambda: None)\n"
            f"    one.on_any(lambda name: one.emit('heard', {version}))",
            "a",
        )
    counted = await notebook.run(
        "for one in clients: print(len(one.listeners('q')), len(one.listeners_any()), '.')", "c"
    )
    assert (await notebook.output(counted, ".")).split()[:2] == ["3", "1"]
    client.send('421["q"]')
    assert set(await client.receive_many(2)) == {'42["heard",2]', '431["other"]'}


async def test_a_handler_registered_by_a_task_belongs_to_its_cell_even_after_other_cells_have_run(
    notebook: Notebook,
) -> None:
    cell = (
        "async def later(go):\n    await go.wait()\n"
        "    io.on('connection', lambda socket: socket.emit('later', {version}))\n    print('registered.')\n"
        "go = asyncio.Event()\ntask = asyncio.create_task(later(go))"
    )
    for version in (1, 2):
        task = await notebook.run(cell.format(version=version), "a")
        await notebook.run("io.on('connection', lambda socket: socket.emit('b'))", "b")
        await notebook.run("go.set(); await task", "c")
        await notebook.output(task, "registered.")
    client = await notebook.enter()
    client.send('421["nothing"]')
    assert await client.receive_many(2) == ['42["b"]', '42["later",2]']


async def test_a_handler_that_raises_shows_it_below_its_cell(notebook: Notebook) -> None:
    cell = await notebook.run(
        "@io.on('connection')\ndef connected(socket):\n    socket.on('sync', lambda: 1 / 0)\n"
        "    @socket.on('async')\n    async def fail():\n        raise KeyError('my mistake')"
    )
    client = await notebook.enter()
    client.send('421["sync"]', '422["async"]')
    for answer in await client.receive_many(2):
        assert "the handler failed" in str(answer)
    assert "ZeroDivisionError" in await notebook.output(cell, "my mistake")


async def test_a_function_for_namespaces_is_replaced_with_its_handlers_kept(notebook: Notebook) -> None:
    await notebook.run("def lab(name, auth): return name == '/one'\nio.of(lab).on('connection', lambda socket: None)")
    await notebook.enter("/one")
    await notebook.run("def lab(name, auth): return name == '/two'\nprint(len(io.of(lab).children))")
    client = await notebook.enter("/two")
    client.send("40/one,")
    assert "Invalid namespace" in str(await client.receive())


async def test_a_cell_waits_for_an_answer_while_the_server_works(notebook: Notebook) -> None:
    client = await notebook.enter()
    asking = asyncio.ensure_future(notebook.run("print(await io.timeout(20).emit_with_ack('q'), '.')"))
    question = str(await client.receive())
    client.send("43" + question[2:].split("[")[0] + '["here"]')
    assert "['here']" in await notebook.output(await asking, ".")


async def test_close_says_goodbye_and_the_next_server_takes_the_port(notebook: Notebook) -> None:
    client = await notebook.enter()
    await notebook.run(
        "await io.close()\nio = Server()\nio.on('connection', lambda socket: socket.emit('new'))\n"
        f"await io.listen({notebook.port})"
    )
    assert (await client.closing()).reason == "server shutting down"
    again = await notebook.enter()
    assert await again.receive() == '42["new"]'


async def test_a_handler_of_a_cell_may_close_its_server(notebook: Notebook) -> None:
    cell = await notebook.run(
        """
@io.on("connection")
def connected(socket):
    @socket.on("stop")
    async def stop():
        await io.close(timeout=3600)  # it does not wait for this handler
        print("closed.", flush=True)
"""
    )
    client = await notebook.enter()
    client.send('42["stop"]')
    assert await notebook.output(cell, ".") == "closed.\n"
