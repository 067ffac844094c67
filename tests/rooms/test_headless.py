"""Notebooks that run without a page: at the end what waits is stored, and handlers finish, in bounded time."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from support import neighbours
from support.hub import TOKEN, HubServer
from support.quick import IMPORTS

import jupyter_rtmsg as rt

pytestmark = pytest.mark.serial  # the runners kill a kernel 5 s after they asked it to shut down

ROOT = Path(__file__).parents[2]
HERE = str(Path(sys.executable).parent / "jupyter")
RUNNERS = {
    "nbclient": [HERE, "execute", "--inplace"],
    "nbclient, ipykernel 6": [neighbours.program("jupyter"), "execute", "--inplace"],
    "nbconvert": [neighbours.program("jupyter-nbconvert"), "--to", "notebook", "--inplace", "--execute"],
    "papermill": [neighbours.program("papermill"), "-"],
}


class Run:
    """Runs cells as a notebook, and tells what is left of it."""

    def __init__(self, command: list[str], folder: Path, hub: HubServer) -> None:
        self._command = command
        self._path = folder / "run.ipynb"
        self._hub = hub

    def __call__(self, *cells: str) -> nbformat.NotebookNode:
        """Run the cells; return the notebook with its outputs."""
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        notebook.metadata = {
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
            "language_info": {"name": "python"},
        }
        nbformat.write(notebook, self._path)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("JPY")}
        path = f"{Path(self._command[0]).parent}:{environment['PATH']}"
        environment.update(RTMSG_URL=self._hub.url, RTMSG_TOKEN=TOKEN, PYTHONPATH=f"{IMPORTS}:{ROOT}", PATH=path)
        command = [str(self._path) if part == "-" else part for part in self._command]
        done = subprocess.run(
            [*command, str(self._path)], env=environment, cwd=self._path.parent, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return nbformat.read(self._path, 4)


@pytest.fixture(params=RUNNERS)
def run(request: pytest.FixtureRequest, tmp_path: Path, shared_hub: HubServer) -> Run:
    return Run(RUNNERS[request.param], tmp_path, shared_hub)


def test_close_stores_queued_events_and_waits_for_handlers_of_three_seconds(
    run: Run, shared_hub: HubServer, client: Callable[..., rt.Client], room_name: str
) -> None:
    run(
        f"import asyncio, time, threading, jupyter_rtmsg as rt\nroom = rt.connect().join({room_name!r})",
        "threading.Thread(target=time.sleep, args=(120,)).start()",  # which Python would wait for
        "@room.on('slow')\nasync def slow(event):\n"
        "    await asyncio.sleep(3); room.emit('done', await asyncio.to_thread(lambda: event.data))",
        "room.emit('slow', 1)\nfor n in range(3000): room.emit('step', {'n': n, 'blob': 'x' * 2000}, wait=False)",
    )
    history = client(shared_hub).join(room_name).history()
    assert [event.data["n"] for event in history if event.name == "step"] == list(range(3000))
    assert [event.data for event in history if event.name == "done"] == [1]


HANGING = {
    "a handler": "def hang(event): begun.set(); time.sleep(120)",
    "an async handler": "async def hang(event): begun.set(); await asyncio.sleep(120)",
    "an async handler that blocks its loop": "async def hang(event): begun.set(); time.sleep(120)",
}


@pytest.mark.parametrize(
    ("run", "hanging"),
    [*(("nbclient", hanging) for hanging in HANGING), ("nbclient, ipykernel 6", "a handler")],
    indirect=["run"],
)
def test_a_handler_that_hangs_costs_neither_queued_events_nor_the_rest_of_the_exit(
    run: Run, hanging: str, shared_hub: HubServer, client: Callable[..., rt.Client], room_name: str, tmp_path: Path
) -> None:
    ended = tmp_path / "ended"
    run(
        f"import asyncio, atexit, time\natexit.register(open({str(ended)!r}, 'w').write, 'ended')",
        f"import threading, jupyter_rtmsg as rt\nroom, begun = rt.connect().join({room_name!r}), threading.Event()",
        f"@room.on('n')\n{HANGING[hanging]}",
        "room.emit('n')\nassert begun.wait(60)\nfor n in range(100): room.emit('step', n, wait=False)",
    )
    assert ended.read_text() == "ended"  # it was not killed
    assert len(client(shared_hub).join(room_name).history(event="step")) == 100


def test_the_notebook_keeps_what_handlers_show_in_a_widget_or_a_display(run: Run, room_name: str) -> None:
    notebook = run(
        f"import threading, ipywidgets, jupyter_rtmsg as rt\nroom = rt.connect().join({room_name!r})\n"
        "from IPython.display import DisplayHandle",
        "out, drawn, shown = ipywidgets.Output(), threading.Event(), threading.Event()\n"
        "class Handle(DisplayHandle):\n"
        "    def update(self, data, **more):\n"
        "        super().update(data, **more)\n        if data['text/plain'].endswith('\\n'): shown.set()\n"
        "handle = Handle()\nhandle.display('nothing yet')\n"
        "out.observe(lambda change: change.new[0]['text'].endswith('\\n') and drawn.set(), 'outputs')\nout",
        "room.on('n', lambda event: print('into the widget', event.data), output=out)\n"
        "room.on('n', lambda event: print('into the display', event.data), output=handle)",
        "room.emit('n', 1)\nassert drawn.wait(60) and shown.wait(60)",
    )
    outputs = notebook.cells[1].outputs
    assert "into the display 1\n" in [output.data.get("text/plain") for output in outputs]
    model = next(data["model_id"] for output in outputs for data in output.data.values() if "model_id" in data)
    state = notebook.metadata.widgets["application/vnd.jupyter.widget-state+json"]["state"][model]["state"]
    assert state["outputs"] == [{"output_type": "stream", "name": "stdout", "text": "into the widget 1\n"}]
