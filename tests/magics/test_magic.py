"""`%rtmsg` in real kernels, on ipykernel 6 and 7."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio
from support.cells import execute
from support.hub import TOKEN, HubServer
from support.kernel import PYTHONS, Kernel, start_kernel
from support.wsclient import until

import jupyter_rtmsg as rt
from jupyter_rtmsg.magics.arguments import Finished, Wrong, parse
from jupyter_rtmsg.magics.load import rewrite

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def server() -> Iterator[HubServer]:
    with HubServer() as hub:
        yield hub


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=PYTHONS)
async def kernel(request: pytest.FixtureRequest, server: HubServer) -> AsyncIterator[Kernel]:
    async with start_kernel(PYTHONS[request.param], server) as kernel:
        await kernel.run("%load_ext jupyter_rtmsg\nimport warnings; warnings.simplefilter('ignore')")
        yield kernel


@pytest_asyncio.fixture(loop_scope="module")
async def got(server: HubServer, room_name: str) -> AsyncIterator[list[tuple[str, Any]]]:
    """What comes in a room."""
    events: list[tuple[str, Any]] = []
    async with rt.AsyncClient(server.url, TOKEN) as client:
        room = await client.join(room_name)
        room.watch(lambda event: None if event.name.startswith("$") else events.append((event.name, event.data)))
        yield events


@pytest.fixture
def room_name(request: pytest.FixtureRequest) -> str:
    return f"r{zlib.crc32(request.node.name.encode())}"


async def error(kernel: Kernel, code: str) -> str:
    """Run a cell that fails; return the text of its error."""
    cell = execute(kernel._client, code)
    await kernel.until(lambda: kernel._idle(cell))
    (found,) = [message["content"] for message in kernel.of(cell) if message["msg_type"] == "error"]
    return f"{found['ename']}: {found['evalue']}"


async def test_a_room_is_joined_and_is_a_variable(kernel: Kernel, room_name: str) -> None:
    assert f"the variable {room_name}" in kernel.printed(await kernel.run(f"%rtmsg join {room_name}"))
    assert await kernel.value(f"{room_name}.name") == room_name
    await kernel.run(f"{room_name}2 = 5")
    said = kernel.printed(await kernel.run(f"%rtmsg join {room_name}2"))
    assert "is a int here, and stays one" in said
    assert await kernel.value(f"{room_name}2") == "5"


async def test_data_are_json_or_an_expression(kernel: Kernel, got: list[tuple[str, Any]], room_name: str) -> None:
    await kernel.run("loss = 0.5")
    for data in ('{"loss": 0.25, "a": null}', "{'loss': loss}", '"text"', "", "[1,  2]"):
        await kernel.run(f"%rtmsg emit {room_name} metric {data}")
    await until(lambda: len(got) == 5)
    assert [data for _, data in got] == [{"loss": 0.25, "a": None}, {"loss": 0.5}, "text", None, [1, 2]]
    assert "neither JSON nor an expression" in await error(kernel, f"%rtmsg emit {room_name} metric {{loss")
    assert "NameError" in await error(kernel, f"%rtmsg emit {room_name} metric nothing")


async def test_the_value_of_a_cell_is_emitted_also_if_it_awaits(
    kernel: Kernel, got: list[tuple[str, Any]], room_name: str
) -> None:
    code = "import asyncio\nawait asyncio.sleep(0)\n40 + 2"
    cell = await kernel.run(f"%%rtmsg emit {room_name} answer\n{code}")
    assert "answer is stored" in kernel.printed(cell)
    await until(lambda: got == [("answer", 42)])
    assert "has no value" in kernel.printed(await kernel.run(f"%%rtmsg emit {room_name}\nx = 1"))
    assert "ZeroDivisionError" in await error(kernel, f"%%rtmsg emit {room_name}\n1/0")
    assert len(got) == 1


async def test_all_output_of_a_cell_goes_to_the_room_as_well(
    kernel: Kernel, got: list[tuple[str, Any]], room_name: str
) -> None:
    code = (
        "import sys, threading\nfrom IPython.display import HTML, display\n"
        "print('hello'); print('oh', file=sys.stderr)\n"
        "shown = display(HTML('<b>1</b>'), display_id=True)\nshown.update(HTML('<b>2</b>'))\n"
        "thread = threading.Thread(target=print, args=('thread',))\nthread.start(); thread.join()\n1 + 1"
    )
    cell = await kernel.run(f"%%rtmsg capture {room_name}\n{code}")
    await until(lambda: got and got[-1][0] == "done")
    outputs = [output for name, data in got if name == "output" for output in data["outputs"]]
    kinds = {output["output_type"] for output in outputs}
    assert kinds == {"stream", "display_data", "update_display_data", "execute_result"}
    streams = {
        name: "".join(each["text"] for each in outputs if each.get("name") == name) for name in ("stdout", "stderr")
    }
    assert (streams["stdout"], streams["stderr"]) == ("hello\nthread\n", "oh\n")
    assert "hello" in kernel.printed(cell)
    await kernel.run("print('later')")
    assert got[-1][0] == "done"


async def test_a_traceback_is_captured_and_the_end_is_told(
    kernel: Kernel, got: list[tuple[str, Any]], room_name: str
) -> None:
    top = f"%%rtmsg capture {room_name}\n%%rtmsg notify my run --room {room_name}"
    await error(kernel, f"{top}\nprint(1)\n1/0")
    await until(lambda: [name for name, _ in got].count("failed") == 2)
    assert {"type": "ZeroDivisionError", "message": "division by zero"} in [data.get("error") for _, data in got]
    assert "my run" in [data["run"] for _, data in got]
    assert any(output["output_type"] == "error" for _, data in got for output in data.get("outputs", ()))
    await kernel.run(f"%%rtmsg notify --room {room_name}\n1")
    await until(lambda: got[-1][0] == "done")
    assert got[-1][1]["run"] == "the cell"


async def test_a_tail_shows_the_newest_events_and_those_that_come_until_it_is_stopped(
    kernel: Kernel, server: HubServer, room_name: str
) -> None:
    async with rt.AsyncClient(server.url, TOKEN) as client:
        room = await client.join(room_name)
        await room.emit("one", "\x1b[31m")
        cell = await kernel.run(f"%rtmsg tail {room_name}")
        await room.emit("two", 2)
        await kernel.until(lambda: "two" in kernel.printed(cell))
        assert kernel.printed(cell).count("one") == 1
        assert "\x1b" not in kernel.printed(cell)
        await kernel.run(f"%rtmsg stop {room_name}")
        await room.emit("three", 3)
        await kernel.run("1")
        assert "three" not in kernel.printed(cell)
        assert "nothing shows room" in await error(kernel, f"%rtmsg stop {room_name}")


async def test_commands_rooms_and_events_are_completed(kernel: Kernel, room_name: str) -> None:
    async def completed(code: str) -> list[str]:
        reply = await kernel._client.complete(code, len(code), reply=True, timeout=60)
        return list(reply["content"]["matches"])

    await kernel.run(f"%rtmsg join {room_name}\n%rtmsg emit {room_name} metric 1")
    assert await completed("%rtmsg ca") == ["capture"]
    assert room_name in await completed(f"%rtmsg tail {room_name[:3]}")
    assert await completed(f"%rtmsg emit {room_name} me") == ["metric"]
    assert room_name in await completed(f"%%rtmsg capture {room_name[:3]}")


async def test_connect_defines_the_magic_and_it_can_be_unloaded(kernel: Kernel) -> None:
    await kernel.run("%unload_ext jupyter_rtmsg\nimport jupyter_rtmsg as rt")
    lines = "get_ipython().magics_manager.magics['line']"
    assert await kernel.value(f"'rtmsg' in {lines}") == "False"
    await kernel.run("vars(rt).pop('connect', None); rt.connect()")
    assert await kernel.value(f"'rtmsg' in {lines}") == "True"
    await kernel.run("%reload_ext jupyter_rtmsg")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("nonsense", "invalid choice"),
        ("join", "ROOM"),
        ("capture lab", "stands above a cell"),
        ("--cell rooms", "stands in a line"),
        ("tail lab -n many", "invalid int"),
    ],
)
async def test_a_line_that_was_written_wrong_says_how_to_write_it(line: str, words: str) -> None:
    with pytest.raises(Wrong, match=words):
        parse(line)


async def test_help_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    for line in ("", "--help", "emit --help"):
        with pytest.raises(Finished):
            parse(line)
    assert "%rtmsg join lab" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("cell", "rewritten"),
    [
        (["%%rtmsg capture lab\n", "1"], ["%rtmsg --cell capture lab\n", "1"]),
        (["%%rtmsg rooms\n", "%%rtmsg notify\n", "1"], ["%rtmsg --cell rooms\n", "%rtmsg --cell notify\n", "1"]),
        (["%%rtmsgs\n"], ["%%rtmsgs\n"]),
        (["x = 1\n", "%%rtmsg emit lab\n"], ["x = 1\n", "%%rtmsg emit lab\n"]),
        ([], []),
    ],
)  # fmt: skip
async def test_lines_at_the_top_of_a_cell_are_rewritten(cell: list[str], rewritten: list[str]) -> None:
    assert rewrite(cell) == rewritten
