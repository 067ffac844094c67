"""Whether there is a connection, for those who wait for it."""

from __future__ import annotations

import asyncio


class State:
    """``"connecting"``, ``"connected"``, ``"offline"`` or ``"closed"``. Any thread may read it."""

    def __init__(self) -> None:
        self.value = "connecting"
        self._waiting: set[asyncio.Future[None]] = set()

    def set(self, value: str) -> bool:
        """Change it; tell whether it is another one now."""
        if value == self.value:
            return False
        self.value = value
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)
        self._waiting.clear()
        return True

    async def connected(self, timeout: float | None) -> bool:
        """Wait until there is a connection, for at most so many seconds; not once it is closed."""
        loop = asyncio.get_running_loop()
        deadline = None if timeout is None else loop.time() + timeout
        while self.value != "connected":
            remaining = None if deadline is None else deadline - loop.time()
            if self.value == "closed" or (remaining is not None and remaining <= 0):
                return False
            waiter: asyncio.Future[None] = loop.create_future()
            self._waiting.add(waiter)
            await asyncio.wait({waiter}, timeout=remaining)
        return True
