"""The data of events in parts: fetched from the hub when a handler or a user needs them (docs/wire.md, "Parts")."""

from __future__ import annotations

import asyncio
import concurrent.futures
import zlib
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from jupyter_rtmsg.client.backoff import Backoff
from jupyter_rtmsg.client.executor import Call
from jupyter_rtmsg.client.handlers import Handler
from jupyter_rtmsg.errors import AckTimeout, CommandError, Disconnected, Gone, ProtocolError, RtmsgError, TooLarge
from jupyter_rtmsg.logthrottle import throttled_logger
from jupyter_rtmsg.wire.data import load, reconstruct

from .commands import Commands
from .decoding import Era

LOADED = 64 << 20
"""Bytes of events in parts that one call, such as ``room.history()``, loads."""
_LARGEST = 1 << 30  # bytes of an event, whatever a hub says
_MOST_PARTS = 10_000
_WINDOW = 3  # parts under way
_RETRY, _RETRY_MAX = 0.5, 10.0  # seconds until a part is asked for again

logger = throttled_logger(__name__)


class Unavailable:
    """Stands for the data of an event whose parts could not be loaded.

    Attributes
    ----------
    error : RtmsgError
        Why: `Gone` if the event was trimmed meanwhile, `TooLarge` if one call would load too much.
    """

    __slots__ = ("error",)

    def __init__(self, error: RtmsgError) -> None:
        self.error = error

    def __repr__(self) -> str:
        return f"<no data: {type(self.error).__name__}: {self.error}>"

    def __bool__(self) -> bool:
        return False


class _Contents(NamedTuple):
    """What an event tells about its parts."""

    number: int
    size: int
    sizes: Sequence[int]
    crc: int

    @classmethod
    def of(cls, data: Any, meta: Mapping[str, Any]) -> _Contents:
        """Check it; raise `ProtocolError`."""
        told = data.get("$parts") if isinstance(data, dict) else None
        try:
            count, size, sizes, crc = (told[key] for key in ("count", "size", "sizes", "crc"))  # type: ignore[index]
            numbers = [count, size, crc, *sizes]
        except (TypeError, LookupError, ValueError):
            raise ProtocolError("the event does not tell its parts") from None
        if any(type(each) is not int or each < 0 for each in numbers) or not sizes or sum(sizes) != size:
            raise ProtocolError("the sizes of the event's parts are no numbers, or do not add up")
        if not 1 <= count <= min(_MOST_PARTS, size) or size > _LARGEST:
            raise ProtocolError(f"the event has {size:,} bytes in {count:,} parts, more than a reader takes")
        return cls(count, size, sizes, crc)


class PartsReader:
    """Loads the data of a room's events in parts. Its coroutines run on the I/O loop.

    Parameters
    ----------
    room : str
    ask : callable
        Sends a command, also over the next connection if this one is lost, and returns the reply.
    closed : callable
        Whether the client was closed.
    """

    def __init__(
        self,
        room: str,
        ask: Callable[[str, Mapping[str, Any]], Awaitable[dict[str, Any]]],
        closed: Callable[[], bool] = lambda: False,
    ) -> None:
        self._room = room
        self._ask = ask
        self._closed = closed

    @classmethod
    def of(cls, room: str, commands: Commands) -> PartsReader:
        """Make one that asks over a connection."""
        return cls(room, commands.ask_patiently, lambda: commands.state == "closed")

    async def page(self, events: Iterable[dict[str, Any]], era: Era) -> list[dict[str, Any]]:
        """Return the fields of events with their data, of which at most `LOADED` bytes are in parts."""
        left, loaded = LOADED, []
        for fields in events:
            if "parts" in fields:
                size = _size(fields)
                left -= size
                if left < 0:
                    advice = f"room.history(after={fields['seq'] - 1}, limit=1)"
                    data: Any = Unavailable(
                        TooLarge(
                            f"the event has {size:,} bytes, and one call loads {LOADED:,}. Read it alone: {advice}"
                        )
                    )
                else:
                    data = await self.read(fields.get("data"), fields, era)
                fields = {**fields, "data": data}
            loaded.append(fields)
        return loaded

    async def whole(self, fields: dict[str, Any], era: Era, *, patient: bool = False) -> dict[str, Any]:
        """Return the fields of an event, with its data if these are in parts."""
        if "parts" not in fields:
            return fields
        return {**fields, "data": await self.read(fields.get("data"), fields, era, patient=patient)}

    async def read(self, data: Any, meta: Mapping[str, Any], era: Era, *, patient: bool = False) -> Any:
        """Return the data of an event in parts, or `Unavailable`.

        ``patient``: wait for as long as it takes if the hub cannot be reached; otherwise raise `Disconnected`.
        """
        try:
            told = _Contents.of(data, meta)
            parts = await self._parts(told.number, meta["seq"], era, patient)
            return await asyncio.to_thread(_assemble, parts, told)
        except (AckTimeout, Disconnected):
            if patient:
                return Unavailable(Disconnected("the client was closed before the event was loaded"))
            raise
        except (CommandError, ProtocolError) as error:
            logger.warning("room %r: the data of event %s could not be loaded: %s", self._room, meta.get("seq"), error)
            return Unavailable(error)

    async def _parts(self, count: int, seq: int, era: Era, patient: bool) -> list[bytes]:
        parts: list[bytes] = [b""] * count
        numbers = iter(range(count))
        request = {"room": self._room, "seq": seq, **(era.fields if era.epoch else {})}

        async def some() -> None:
            for number in numbers:
                parts[number] = await self._part({**request, "part": number}, patient)

        tasks = [asyncio.ensure_future(some()) for _ in range(min(_WINDOW, count))]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
        return parts

    async def _part(self, request: Mapping[str, Any], patient: bool) -> bytes:
        backoff = Backoff(_RETRY, _RETRY_MAX)
        while True:
            try:
                data = (await self._ask("fetch", request)).get("data")
            except (AckTimeout, Disconnected, CommandError) as error:
                if isinstance(error, CommandError) and not error.transient:
                    raise
                if not patient or self._closed():
                    raise
                await asyncio.sleep(backoff.next())
            else:
                if type(data) is not bytes:
                    raise ProtocolError("the hub's answer has no part")
                return data


def _assemble(parts: Sequence[bytes], told: _Contents) -> Any:
    crc = 0
    for part in parts:
        crc = zlib.crc32(part, crc)
    if sum(map(len, parts)) != told.size or crc != told.crc:
        raise ProtocolError("the event's parts are not those that it tells: their checksum differs")
    pieces = _cut(parts, told.sizes)
    return reconstruct(load(next(pieces)), list(pieces))


def _cut(parts: Sequence[bytes], sizes: Sequence[int]) -> Iterator[bytes]:
    """Yield pieces of so many bytes of the joined parts, each copied once."""
    number = at = 0
    for size in sizes:
        piece: list[memoryview] = []
        while size:
            taken = memoryview(parts[number])[at : at + size]
            piece.append(taken)
            size, at = size - len(taken), at + len(taken)
            if at == len(parts[number]):
                number, at = number + 1, 0
        yield b"".join(piece)


def _size(fields: Mapping[str, Any]) -> int:
    told = fields["parts"]
    size = told.get("size") if isinstance(told, dict) else None
    return size if type(size) is int and size > 0 else LOADED


# --- between an executor and the I/O loop


class Loading:
    """The data of one event, while they are loaded. The executor waits, and the I/O loop loads."""

    def __init__(self, load: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        self._load = load
        self._done: concurrent.futures.Future[Any] = concurrent.futures.Future()

    @property
    def value(self) -> Any:
        """The data, once it is done."""
        return self._done.result()

    async def run(self) -> None:
        """Load. Runs as a task of the room."""
        self._done.set_result(await self._load())

    def wait(self) -> Awaitable[Any] | None:
        """Wait on a thread; on an event loop, return what is to be awaited."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            self._done.result()
            return None
        return asyncio.wrap_future(self._done)

    def abandon(self) -> None:
        """End without data, if it has none: nobody loads any more."""
        if not self._done.done():
            self._done.set_result(Unavailable(Disconnected("the client was closed before the event was loaded")))


class PartsLoader:
    """Loads the data of events for executors, which call handlers: only when an event's turn has come.

    So a room holds the data of one event in parts, however many are queued, and a slow handler slows the fetching.

    Parameters
    ----------
    reader : PartsReader
    spawn : callable
        Runs a coroutine as a task of the membership.
    call_soon : callable
        Schedules a function on the I/O loop. Thread-safe.
    """

    def __init__(
        self,
        reader: PartsReader,
        spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
        call_soon: Callable[[Callable[[], None]], object],
    ) -> None:
        self._reader = reader
        self._spawn = spawn
        self._call_soon = call_soon
        self._handler = Handler(Loading.wait)

    def calls(self, data: Any, meta: Mapping[str, Any], era: Era) -> Generator[Call, None, Any]:
        """Yield the call in which an executor waits for the data of an event; the result is the data."""
        loading = self._begin(data, meta, era)
        yield Call(self._handler, (loading,))
        return loading.value

    def _begin(self, data: Any, meta: Mapping[str, Any], era: Era) -> Loading:
        loading = Loading(lambda: self._reader.read(data, meta, era, patient=True))

        def begin() -> None:
            # also if the task is cancelled before its first step
            self._spawn(loading.run()).add_done_callback(lambda _: loading.abandon())

        try:
            self._call_soon(begin)
        except RuntimeError:  # the loop has ended
            loading.abandon()
        return loading


__all__ = ["Gone", "Loading", "PartsLoader", "PartsReader", "Unavailable"]
