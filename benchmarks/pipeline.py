"""A client that publishes to a hub with many events in flight, each answered when it is stored.

Others measure with it: queues.py, growth.py. It is one raw WebSocket of Socket.IO on asyncio.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

from peer import Peer, frame

HANDFUL = 32


class Handfuls:
    """Writes by the handful, so that a server need not wait for the last one, and the rest at the end of the turn.

    Parameters
    ----------
    write : callable
    """

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self._waiting: list[bytes] = []

    def put(self, data: bytes) -> None:
        """Write it soon."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._flush)
        self._waiting.append(data)
        if len(self._waiting) == HANDFUL:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            self._write(b"".join(self._waiting))
            self._waiting.clear()


class Publisher(Peer):
    """One connection: commands go out, and their answers come back as futures.

    Attributes
    ----------
    entered : Future
        Done when the hub has let it in.
    """

    auth = '{"client":"bench"}'

    def __init__(self) -> None:
        super().__init__()
        self.entered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting: dict[int, asyncio.Future[str]] = {}
        self._last = 0
        self._out = Handfuls(lambda data: self.transport.write(data))

    def connection_lost(self, exc: Exception | None) -> None:
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(ConnectionError("the hub has gone"))

    def command(self, name: str, body: str) -> asyncio.Future[str]:
        """Send a command with its JSON; the future has the answer's JSON, a list of one reply."""
        self._last += 1
        answer = self._waiting[self._last] = asyncio.get_running_loop().create_future()
        self.send(f'42{self._last}["{name}",{body}]')
        return answer

    def packet(self, packet: str) -> None:
        if packet.startswith("43"):
            number, bracket, reply = packet[2:].partition("[")
            self._waiting.pop(int(number)).set_result(bracket + reply)
        else:
            super().packet(packet)

    def enter(self) -> None:
        self.entered.set_result(None)

    def send(self, packet: str) -> None:
        self._out.put(frame(packet))


async def connect(port: int) -> Publisher:
    """Return a connection that the hub has let in."""
    _, publisher = await asyncio.get_running_loop().create_connection(Publisher, "127.0.0.1", port)
    await asyncio.wait_for(publisher.entered, 60)
    return publisher


def stored(answer: str) -> int:
    """Return the seq of a publish; RuntimeError if it was refused, or was a duplicate."""
    reply = json.loads(answer)[0]
    if not reply["ok"] or reply["duplicate"]:
        raise RuntimeError(answer)
    return int(reply["seq"])
