"""The state of a socket, and tasks that wait for a connection."""

from __future__ import annotations

import asyncio

from jupyter_rtmsg.futures import Waiters


class ConnectionState:
    """``"connecting"``, ``"connected"``, ``"offline"`` or ``"closed"``. Any thread may read ``value``."""

    def __init__(self) -> None:
        self.value = "connecting"
        self._waiters = Waiters()

    def set(self, value: str) -> bool:
        """Change the state; return False if it is the same one."""
        if value == self.value:
            return False
        self.value = value
        self._waiters.wake()
        return True

    async def connected(self, timeout: float | None = None) -> bool:
        """Wait for a connection; return False when the socket is closed, or after ``timeout`` seconds."""
        loop = asyncio.get_running_loop()
        deadline = None if timeout is None else loop.time() + timeout
        while self.value != "connected":
            remaining = None if deadline is None else deadline - loop.time()
            if self.value == "closed" or (remaining is not None and remaining <= 0):
                return False
            await self._waiters.wait(remaining)
        return True
