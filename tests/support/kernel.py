"""A kernel whose cells connect to a hub: what each of them has shown, on ipykernel 6 and 7."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from jupyter_client.asynchronous import AsyncKernelClient
from jupyter_client.manager import AsyncKernelManager

from . import neighbours
from .cells import execute
from .hub import TOKEN, HubServer

PYTHONS = {"ipykernel7": sys.executable, "ipykernel6": str(neighbours.PYTHON)}
DEADLINE = 60
Message = dict[str, Any]


class Kernel:
    """A kernel, and the messages of its cells."""

    def __init__(self, client: AsyncKernelClient) -> None:
        self.messages: list[Message] = []
        self._client = client

    async def run(self, code: str, id: str | None = None) -> str:
        """Run a cell; return the id of its request. Fails if the cell does."""
        cell = execute(self._client, code, id)
        await self.until(lambda: self._idle(cell))
        errors = [message["content"]["traceback"] for message in self.of(cell) if message["msg_type"] == "error"]
        assert not errors, "\n".join(errors[0])
        return cell

    def _idle(self, cell: str) -> bool:
        return any(message["content"].get("execution_state") == "idle" for message in self.of(cell))

    def of(self, cell: str) -> list[Message]:
        """Return the messages that belong to a cell."""
        return [message for message in self.messages if message["parent_header"].get("msg_id") == cell]

    def printed(self, cell: str) -> str:
        """Return what was printed below a cell."""
        return "".join(message["content"]["text"] for message in self.of(cell) if message["msg_type"] == "stream")

    def shown(self, cell: str) -> list[str]:
        """Return the displays below a cell, as text."""
        displays = [message for message in self.of(cell) if message["msg_type"] == "display_data"]
        return [message["content"]["data"].get("text/plain", "") for message in displays]

    async def until(self, condition: Callable[[], Any]) -> Any:
        """Read messages until a condition holds."""
        while not (value := condition()):
            self.messages.append(await self._client.get_iopub_msg(timeout=DEADLINE))
        return value

    async def value(self, expression: str) -> str:
        """Return what an expression prints."""
        cell = await self.run(f"print({expression})")
        return self.printed(cell)[:-1]


@asynccontextmanager
async def start_kernel(python: str, hub: HubServer) -> AsyncIterator[Kernel]:
    """Start a kernel of one of the `PYTHONS`, as a server with the extension would."""
    manager = AsyncKernelManager(kernel_name="python3")
    assert manager.kernel_spec is not None
    manager.kernel_spec.argv[0] = python
    environment = {**os.environ, "RTMSG_URL": hub.url, "RTMSG_TOKEN": TOKEN}
    environment["PYTHONPATH"] = str(Path(__file__).parents[2])
    await manager.start_kernel(env=environment)
    client = manager.client()
    client.start_channels()
    try:
        await client.wait_for_ready(timeout=DEADLINE)
        yield Kernel(client)
    finally:
        client.stop_channels()
        await manager.shutdown_kernel(now=True)
