"""A notebook that is open in a Jupyter server: its cells are run in the kernel of its session, as JupyterLab does."""

from __future__ import annotations

import ast
import json
import os
import queue
import signal
import threading
from pathlib import Path
from typing import Any

from jupyter_client import BlockingKernelClient

from .jupyter import DEADLINE, CellError, JupyterServer, wait_until

Message = dict[str, Any]
DISPLAYS = ("display_data", "update_display_data", "execute_result")


class Notebook:
    """An open notebook, and everything that its kernel has shown.

    Parameters
    ----------
    server : JupyterServer
    source : Path
        Copied to the server's root under its own name.
    """

    def __init__(self, server: JupyterServer, source: Path) -> None:
        (server.root / source.name).write_bytes(source.read_bytes())
        self.cells = self.cells_of(source)
        self.running: str | None = None
        self._server = server
        self._kernel = server.start_kernel(source.name)
        self._open()

    @staticmethod
    def read(source: Path) -> list[dict[str, Any]]:
        return list(json.loads(source.read_text(encoding="utf-8"))["cells"])

    @staticmethod
    def cells_of(source: Path) -> dict[str, str]:
        """Return the code by the ids of its cells."""
        return {cell["id"]: "".join(cell["source"]) for cell in Notebook.read(source) if cell["cell_type"] == "code"}

    # --- what a reader does

    def run_all(self) -> None:
        """Run every cell, from top to bottom; CellError if one raises."""
        for cell in self.cells:
            self.run(cell)

    def run(self, cell: str) -> None:
        """Run the cell with an id."""
        self.running = cell
        self._requests[cell] = request = self._client.execute(self.cells[cell], allow_stdin=False)
        self._wait(request)
        self.running = None

    def kill(self) -> None:
        """Kill the kernel without a word."""
        pid = self.value("__import__('os').getpid()")
        self.close()
        os.kill(pid, signal.SIGKILL)

    def restart(self) -> None:
        """Have the server start the kernel anew."""
        self.close()
        self._server.restart_kernel(self._kernel)
        self._open()

    # --- what a reader sees

    def shown(self, cell: str, kind: str = "text/plain") -> list[str]:
        """Return what is below a cell in a kind of media: its displays, their updates, and its result."""
        contents = [message["content"]["data"] for message in self.messages_of(cell, *DISPLAYS)]
        return [data[kind] for data in contents if kind in data]

    def media(self, cell: str) -> set[str]:
        """Return the kinds of media that are below a cell."""
        return {kind for message in self.messages_of(cell, *DISPLAYS) for kind in message["content"]["data"]}

    def printed(self, cell: str) -> str:
        return "".join(message["content"]["text"] for message in self.messages_of(cell, "stream"))

    def messages_of(self, cell: str, *types: str) -> list[Message]:
        return self._of(self._requests[cell], *types)

    def during(self, cell: str, *types: str) -> list[Message]:
        """Return the messages that came while a cell was running, whichever cell they belong to."""
        messages = list(self._messages)
        states = [messages.index(message) for message in self.messages_of(cell, "status")]
        return [message for message in messages[states[0] : states[-1]] if message["msg_type"] in types]

    def value(self, expression: str) -> Any:
        """Return the value of an expression that JSON can say."""
        request = self._client.execute("", user_expressions={"value": f"__import__('json').dumps({expression})"})
        value = self._wait(request)["user_expressions"]["value"]
        if value["status"] != "ok":
            raise CellError("\n".join(value["traceback"]))
        return json.loads(ast.literal_eval(value["data"]["text/plain"]))

    # --- the kernel

    def close(self) -> None:
        """Listen no more."""
        self._closed.set()
        self._reader.join()
        self._client.stop_channels()

    def _open(self) -> None:
        self._messages: list[Message] = []
        self._requests: dict[str, str] = {}
        self._closed = threading.Event()
        self._client = BlockingKernelClient(connection_file=str(self._server.runtime / f"kernel-{self._kernel}.json"))
        self._client.load_connection_file()
        # without a heartbeat: on a busy machine it takes a kernel that still starts for a dead one
        self._client.start_channels(hb=False)
        self._client.wait_for_ready(timeout=DEADLINE)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while not self._closed.is_set():
            try:
                self._messages.append(self._client.get_iopub_msg(timeout=0.1))
            except queue.Empty:
                continue

    def _wait(self, request: str) -> dict[str, Any]:
        """Wait until a cell has ended and shown everything; CellError if it raised."""
        while (reply := self._client.get_shell_msg(timeout=DEADLINE))["parent_header"].get("msg_id") != request:
            pass
        wait_until(lambda: self._idle(request), "the kernel is idle again")
        if reply["content"]["status"] != "ok":
            raise CellError("\n".join(reply["content"].get("traceback", [])))
        return dict(reply["content"])

    def _idle(self, request: str) -> bool:
        return any(message["content"]["execution_state"] == "idle" for message in self._of(request, "status"))

    def _of(self, request: str, *types: str) -> list[Message]:
        messages = list(self._messages)
        return [m for m in messages if m["msg_type"] in types and m["parent_header"].get("msg_id") == request]
