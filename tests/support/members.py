"""A Socket.IO client of a hub for tests: it keeps everything that it received, in the order of the wire."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from itertools import count
from typing import Any, NamedTuple

from support.wsclient import PATIENCE, RawClient, until

from jupyter_rtmsg.wire.socketio import ACK, EVENT, Decoder, encode_event

__all__ = ["Got", "Member", "Refused", "until"]


class Got(NamedTuple):
    """An event or an acknowledgement, as it came. ``meta`` is None where there was none."""

    name: str
    data: Any
    meta: Any = None

    @property
    def seq(self) -> Any:
        """The position of an event."""
        return self.meta["seq"]


class Refused(Exception):
    """A command was refused."""

    def __init__(self, error: dict[str, str]) -> None:
        super().__init__(f"{error['code']}: {error['message']}")
        self.code = error["code"]
        self.message = error["message"]


class Member:
    """One connection.

    Attributes
    ----------
    got : list of Got
        Everything that came; an acknowledgement is called ``ack``.
    """

    def __init__(self, raw: RawClient) -> None:
        self.raw = raw
        self.got: list[Got] = []
        self.id = ""
        self.ended = False
        self._ids = count()
        self._replies: dict[int, asyncio.Future[Any]] = {}
        self._reading: asyncio.Task[None] | None = None

    @classmethod
    async def connect(cls, port: int, *, reading: bool = True, **auth: Any) -> Member:
        """Connect to the hub; ``auth`` is the object of CONNECT."""
        headers = {"Origin": auth.pop("origin")} if "origin" in auth else {}
        self = cls(await RawClient.open(port, receive_buffer=None if reading else 4096, **headers))
        self.id = await self.raw.enter("/", auth)
        if reading:
            self.read()
        return self

    def read(self) -> None:
        """Start reading."""
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        decoder = Decoder(client=True, max_size=1 << 26)
        with suppress(ConnectionError):
            while (message := await self.raw._receive()) is not None:
                if message == "2":
                    self.raw.send("3")
                elif isinstance(message, (str, bytes)) and (packet := decoder.feed(message)):
                    self._take(packet.type, packet.data, packet.id)
        self.ended = True

    def _take(self, kind: Any, data: Any, id: int | None) -> None:
        if kind is ACK:
            self.got.append(Got("ack", *data))
            assert id is not None
            self._replies.pop(id).set_result(data[0])
        elif kind is EVENT:
            self.got.append(Got(*data))

    def post(self, command: str, *args: Any, id: int | None = None) -> None:
        """Send a command and wait for nothing."""
        encoded = encode_event([command, *args], id=id)
        self.raw.send(encoded.text.decode(), *encoded.attachments)

    def ask(self, command: str, *args: Any) -> asyncio.Future[Any]:
        """Send a command and return a future of the reply, whatever it says."""
        id = next(self._ids)
        reply = self._replies[id] = asyncio.get_running_loop().create_future()
        self.post(command, *args, id=id)
        return reply

    async def call(self, command: str, request: Any = None, /, **fields: Any) -> dict[str, Any]:
        """Return the reply of a command, or raise `Refused`."""
        reply = await asyncio.wait_for(self.ask(command, fields if request is None else request), PATIENCE)
        if not reply["ok"]:
            raise Refused(reply["error"])
        return dict(reply)

    async def join(self, room: str = "lab", **fields: Any) -> dict[str, Any]:
        """Join a room."""
        return await self.call("join", room=room, **fields)

    async def publish(self, data: Any = None, room: str = "lab", event: str = "tick", **fields: Any) -> Any:
        """Publish, and return the seq."""
        return (await self.call("publish", room=room, event=event, data=data, **fields))["seq"]

    async def publish_many(self, number: int, room: str = "lab", **fields: Any) -> list[int]:
        """Publish so many at once, and return the seqs."""
        asked = [self.ask("publish", {"room": room, "event": "tick", "data": i, **fields}) for i in range(number)]
        return [reply["seq"] for reply in await asyncio.wait_for(asyncio.gather(*asked), PATIENCE)]

    def events(self, room: str = "lab") -> list[Got]:
        """Return the events of a room that came so far, without the hub's own."""
        return [got for got in self.got if got.meta is not None and got.meta["room"] == room]

    def seqs(self, room: str = "lab") -> list[int]:
        """Return their seqs."""
        return [got.seq for got in self.events(room)]

    def named(self, name: str) -> list[Any]:
        """Return the data of all events of a name."""
        return [got.data for got in self.got if got.name == name]

    async def has(self, name: str, number: int = 1) -> list[Any]:
        """Wait for so many events of a name, and return their data."""
        await until(lambda: len(self.named(name)) >= number)
        return self.named(name)

    async def settled(self) -> None:
        """Wait until everything that was on its way to this member is here."""
        await self.call("rooms")

    async def leave(self) -> None:
        """Say goodbye as a client does, and close."""
        self.raw.send("41")
        await self.close()

    async def close(self) -> None:
        """Drop the connection."""
        if self._reading:
            self._reading.cancel()
            with suppress(asyncio.CancelledError):
                await self._reading
        self.raw.writer.close()

    async def end(self) -> None:
        """Wait until the server has ended the connection."""
        await until(lambda: self.ended)
