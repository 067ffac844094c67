"""A notebook that is open in a Jupyter server: its cells are run in the kernel of its session, as JupyterLab does."""

from __future__ import annotations

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
        cells = json.loads(source.read_text())["cells"]
        self.cells: dict[str, str] = {
            cell["id"]: "".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"
        }
        self._server = server
        self._kernel = server.start_kernel(source.name)
        self._open()

    def run_all(self) -> None:
        """Run every cell, from top to bottom; CellError if one raises."""
        for cell in self.cells:
            self.run(cell)

    def run(self, cell: str) -> None:
        """Run the cell with an id."""
        self._parents[cell] = self._execute(self.cells[cell])

    def value(self, expression: str) -> Any:
        """Return the value of an expression that JSON can say."""
        parent = self._execute(f"__import__('builtins').print(__import__('json').dumps({expression}))")
        return json.loads("".join(m["content"]["text"] for m in self._of(parent, "stream")))

    def shown(self, cell: str, kind: str = "text/plain") -> list[str]:
        """Return what is below a cell in a kind of media: its displays, their updates, and its result."""
        types = ("display_data", "update_display_data", "execute_result")
        messages = self._of(self._parents[cell], *types)
        return [m["content"]["data"][kind] for m in messages if kind in m["content"]["data"]]

    def printed(self, cell: str) -> str:
        return "".join(m["content"]["text"] for m in self._of(self._parents[cell], "stream"))

    def during(self, cell: str, *types: str) -> list[Message]:
        """Return the messages that came while a cell was running, whichever cell they belong to."""
        states = [i for i, m in enumerate(self._messages) if m["msg_type"] == "status" and self._is_of(m, cell)]
        return [m for m in self._messages[states[0] : states[-1]] if m["msg_type"] in types]

    def is_of(self, message: Message, cell: str) -> bool:
        return self._is_of(message, cell)

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

    def close(self) -> None:
        """Listen no more."""
        self._closed.set()
        self._reader.join()
        self._client.stop_channels()

    def _open(self) -> None:
        self._messages: list[Message] = []
        self._parents: dict[str, str] = {}
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

    def _execute(self, code: str) -> str:
        parent = str(self._client.execute(code, allow_stdin=False))
        while (reply := self._client.get_shell_msg(timeout=DEADLINE))["parent_header"].get("msg_id") != parent:
            pass
        wait_until(lambda: self._idle(parent), "the kernel is idle again")
        if reply["content"]["status"] != "ok":
            raise CellError("\n".join(reply["content"].get("traceback", [])))
        return parent

    def _idle(self, parent: str) -> bool:
        return any(m["content"]["execution_state"] == "idle" for m in self._of(parent, "status"))

    def _of(self, parent: str, *types: str) -> list[Message]:
        return [
            m for m in list(self._messages) if m["parent_header"].get("msg_id") == parent and m["msg_type"] in types
        ]

    def _is_of(self, message: Message, cell: str) -> bool:
        return bool(message["parent_header"].get("msg_id") == self._parents[cell])
