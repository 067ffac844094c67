"""The output of handlers is below their own cell, or where `output=` sends it, on ipykernel 6 and 7."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from support.hub import HubServer
from support.kernel import PYTHONS, Kernel, start_kernel

from jupyter_rtmsg.client.captured import MAX_CHARACTERS, MAX_OUTPUTS


@pytest.fixture(params=PYTHONS)
async def kernel(request: pytest.FixtureRequest, shared_hub: HubServer, room_name: str) -> AsyncIterator[Kernel]:
    async with start_kernel(PYTHONS[request.param], shared_hub) as kernel:
        await kernel.run(f"import jupyter_rtmsg as rt\nroom = rt.connect().join({room_name!r})")
        yield kernel


async def test_displays_are_below_the_cell_of_the_handler(kernel: Kernel) -> None:
    own = await kernel.run(
        "@room.on('show')\ndef show(event): display('shown')\n"
        "@room.on('clear')\nasync def clear(event): clear_output(wait=True); print('cleared', flush=True)\n"
        "from IPython.display import clear_output"
    )
    other = await kernel.run("room.emit('show'); room.emit('clear')")
    await kernel.until(lambda: "cleared" in kernel.printed(own))
    assert kernel.shown(own) == ["'shown'"]
    assert [message["msg_type"] for message in kernel.of(own)].count("clear_output") == 1
    assert not {"stream", "display_data", "clear_output"} & {message["msg_type"] for message in kernel.of(other)}


async def test_displays_of_a_task_of_the_cells_own_loop_are_below_its_cell(kernel: Kernel, room_name: str) -> None:
    own = await kernel.run(
        f"hub = rt.AsyncClient()\nawait hub.connect()\nmine = await hub.join({room_name!r}, as_='mine')\n"
        "@mine.on('show')\nasync def show(event): display('shown'); await mine.emit('done')"
    )
    await kernel.run("await mine.emit('show')")
    await kernel.until(lambda: kernel.shown(own))
    await kernel.run("await hub.close()")
    assert kernel.shown(own) == ["'shown'"]


async def test_handlers_of_a_server_in_a_notebook_display_below_their_cell(kernel: Kernel) -> None:
    own = await kernel.run(
        "from jupyter_rtmsg.server import Server\nio = Server()\nport = await io.listen()\n"
        "@io.on('connection')\ndef connected(socket): socket.on('n', lambda n: display('shown') or n)"
    )
    other = await kernel.run(
        "socket = rt.SocketClient(f'http://127.0.0.1:{port}/')\nawait socket.connect()\n"
        "print(await socket.emit_with_ack('n', 1))\nawait socket.disconnect()\nawait io.close()"
    )
    assert kernel.printed(other) == "1\n"
    assert kernel.shown(own) == ["'shown'"]


async def test_cells_keep_their_own_displays(kernel: Kernel) -> None:
    await kernel.run("@room.on('n')\ndef nothing(event): pass\nroom.emit('n')")
    cell = await kernel.run("display('mine')")
    assert kernel.shown(cell) == ["'mine'"]


async def test_threads_of_a_handler_print_and_display_below_its_cell(kernel: Kernel) -> None:
    own = await kernel.run(
        "import threading\ndef tell(): print('from a thread', flush=True); display('shown by it')\n"
        "def deeper(): threading.Thread(target=tell).start()\n"
        "@room.on('n')\ndef start(event): threading.Thread(target=deeper).start()"
    )
    other = await kernel.run("room.emit('n')")
    await kernel.until(lambda: "from a thread" in kernel.printed(own) and kernel.shown(own))
    assert kernel.shown(own) == ["'shown by it'"]
    assert kernel.printed(other) == ""


async def test_threads_of_cells_are_left_alone(kernel: Kernel) -> None:
    await kernel.run("@room.on('n')\ndef nothing(event): pass\nroom.emit('n')")
    cell = await kernel.run(
        "import threading\nthread = threading.Thread(target=print, args=('from its thread',), kwargs={'flush': True})\n"
        "thread.start(); thread.join(); print('run' in vars(thread))"
    )
    assert kernel.printed(cell) == "from its thread\nFalse\n"


async def test_an_exception_is_shown_once_and_below_its_cell_also_where_logging_goes_to_the_cell(
    kernel: Kernel,
) -> None:
    own = await kernel.run(
        "import logging\nlogging.basicConfig()\n@room.on('n')\ndef fail(event): raise KeyError('my mistake')\n"
        "@room.on('n')\ndef after(event): print('after', flush=True)"
    )
    other = await kernel.run("room.emit('n')")
    await kernel.until(lambda: "after" in kernel.printed(own))
    assert kernel.printed(own).count("KeyError: 'my mistake'") == 1
    assert kernel.printed(own).count("the handler fail raised") == 1
    assert "jupyter_rtmsg" not in kernel.printed(own)
    assert kernel.printed(other) == ""


async def test_log_handlers_that_write_elsewhere_get_the_exception(kernel: Kernel) -> None:
    own = await kernel.run(
        "import io, logging\nlogging.basicConfig()\nelsewhere = io.StringIO()\n"
        "logging.getLogger().addHandler(logging.StreamHandler(elsewhere))\n"
        "@room.on('n')\ndef fail(event): raise KeyError('my mistake')\n"
        "@room.on('n')\ndef after(event): print('after', flush=True)"
    )
    await kernel.run("room.emit('n')")
    await kernel.until(lambda: "after" in kernel.printed(own))
    assert await kernel.value("elsewhere.getvalue().count('KeyError: ')") == "1"
    assert kernel.printed(own).count("KeyError: ") == 1


# --- output=

WIDGET = """
import asyncio, logging, sys, threading, time, ipywidgets
from IPython.display import HTML, clear_output
out = ipywidgets.Output()
def until(condition):
    end = time.monotonic() + 50
    while not condition() and time.monotonic() < end: time.sleep(0.01)
    return condition()
def text(): return "".join(each["text"] for each in out.outputs if each["output_type"] == "stream")
"""


async def test_an_output_widget_gets_everything_that_a_handler_shows(kernel: Kernel) -> None:
    await kernel.run(WIDGET + "logging.basicConfig()")
    own = await kernel.run(
        "@room.on('n', output=out)\nasync def show(event):\n"
        "    print('printed'); print('to stderr', file=sys.stderr); logging.warning('logged'); display(HTML('shown'))\n"
        "    await asyncio.sleep(0); thread = threading.Thread(target=print, args=('from a thread',))\n"
        "    thread.start(); thread.join(); raise KeyError('my mistake')"
    )
    other = await kernel.run("room.emit('n')")
    assert await kernel.value("until(lambda: 'my mistake' in text())") == "True"
    kinds = await kernel.value("[each.get('name') or each['data']['text/html'] for each in out.outputs]")
    assert kinds == "['stdout', 'stderr', 'shown', 'stdout', 'stderr']"
    said = await kernel.value("text()")
    for part in ("printed\n", "to stderr\n", "WARNING:root:logged\n", "from a thread\n"):
        assert said.count(part) == 1
    for cell in (own, other):
        assert not {"stream", "display_data"} & {message["msg_type"] for message in kernel.of(cell)}


async def test_output_in_a_widget_belongs_to_the_cell_that_runs_as_nbclient_expects(
    kernel: Kernel,
) -> None:
    await kernel.run(WIDGET + "room.on('n', lambda event: print('printed'), output=out)")
    running = await kernel.run("room.emit('n'); until(lambda: out.outputs)")
    updates = [message for message in kernel.of(running) if message["msg_type"] == "comm_msg"]
    assert any("outputs" in message["content"]["data"].get("state", {}) for message in updates)


async def test_a_widget_can_be_cleared_and_shows_updates_of_its_displays(kernel: Kernel) -> None:
    await kernel.run(
        WIDGET + "@room.on('n', output=out)\ndef show(event):\n"
        "    clear_output(wait=True); handle = display(HTML('old'), display_id=True); handle.update(HTML(event.data))"
    )
    await kernel.run("room.emit('n', 'new'); room.emit('n', 'newer')")
    shown = "[each['data']['text/html'] for each in out.outputs]"
    assert await kernel.value(f"until(lambda: {shown} == ['newer']) and {shown}") == "['newer']"
    await kernel.run("out.outputs = ()\nroom.emit('n', 'newest')")
    assert await kernel.value(f"until(lambda: {shown} == ['newest']) and {shown}") == "['newest']"


async def test_an_error_in_a_widget_is_kept_and_output_continues_after_it(kernel: Kernel) -> None:
    """JupyterLab puts an exception raised in ``with out:`` into the widget."""
    await kernel.run(WIDGET + "room.on('n', lambda event: print(event.data), output=out)")
    await kernel.run("out.outputs = ({'output_type': 'error', 'ename': 'E', 'evalue': '', 'traceback': ['E: no']},)")
    await kernel.run("room.emit('n', 'one')")
    assert await kernel.value("until(lambda: text() == 'one\\n')") == "True"
    await kernel.run("room.emit('n', 'two')")
    assert await kernel.value("until(lambda: text() == 'one\\ntwo\\n')") == "True"
    assert await kernel.value("out.outputs[0]['ename']") == "E"


async def test_updates_go_to_the_displays_that_they_name(kernel: Kernel) -> None:
    await kernel.run(WIDGET)
    await kernel.run("elsewhere = display('elsewhere', display_id='elsewhere')")
    await kernel.run("room.on('n', lambda event: elsewhere.update('updated'), output=out)\nroom.emit('n')")
    updates: list[str] = []

    def updated() -> bool:
        updates[:] = [
            message["content"]["data"]["text/plain"]
            for message in kernel.messages
            if message["msg_type"] == "update_display_data"
        ]
        return bool(updates)

    await kernel.until(updated)
    assert updates == ["'updated'"]
    assert await kernel.value("out.outputs") == "()"


async def test_a_display_shows_the_newest_display_or_the_text_since(kernel: Kernel) -> None:
    await kernel.run(
        "from IPython.display import HTML\nhandle = display('', display_id='mine')\n"
        "@room.on('n', output=handle)\ndef show(event): print(event.data)\n"
        "room.on('show', lambda event: display(HTML(event.data)), output=handle)"
    )

    def shown() -> dict[str, str]:
        updates = [m["content"] for m in kernel.messages if m["msg_type"] == "update_display_data"]
        assert all(content["transient"] == {"display_id": "mine"} for content in updates)
        return dict(updates[-1]["data"]) if updates else {}

    await kernel.run("room.emit('n', 1); room.emit('n', 2)")
    await kernel.until(lambda: shown().get("text/plain") == "1\n2\n")
    await kernel.run("room.emit('show', 'three')")
    await kernel.until(lambda: shown().get("text/html") == "three")
    await kernel.run("room.emit('n', 4)")
    await kernel.until(lambda: shown() == {"text/plain": "4\n"})


async def test_endless_output_is_bounded_in_memory_and_shown_at_most_twenty_times_a_second(
    kernel: Kernel,
) -> None:
    await kernel.run(
        WIDGET + "times = []\nout.observe(lambda change: times.append(time.monotonic()), 'outputs')\n"
        "@room.on('n', output=out)\ndef show(event):\n"
        "    for n in range(5000): print(n, 'x' * 100)\n"
        "    for n in range(500): display(n)\n"
        "    for n in range(5000): print(n, 'y' * 100)\n"
        "    for n in range(500): print(f'\\r{n:3}', end='')\n"
        "    print('\\nend')"
    )
    await kernel.run("room.emit('n')")
    assert await kernel.value("until(lambda: text().endswith('499\\nend\\n'))") == "True"
    size = int(await kernel.value("sum(len(each.get('text', '')) for each in out.outputs)"))
    assert 0.9 * MAX_CHARACTERS < size <= MAX_CHARACTERS
    assert int(await kernel.value("len(out.outputs)")) <= MAX_OUTPUTS
    assert await kernel.value("min(b - a for a, b in zip([0.0, *times], times)) >= 0.045") == "True"


async def test_a_bad_output_is_refused_where_the_handler_is_registered(kernel: Kernel) -> None:
    for bad in ("'text'", "ipywidgets.Output", "sys.stdout", "3", "{}"):
        cell = await kernel.run(
            WIDGET + f"try: room.on('n', print, output={bad})\nexcept TypeError as error: print(error)"
        )
        assert kernel.printed(cell).startswith("output must be an ipywidgets.Output()")
