"""Exporting the events of a room into a file."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Protocol, TypeVar

from jupyter_rtmsg.errors import ExportError
from jupyter_rtmsg.event import Event

from .columns import ArrowWriter, CSVWriter
from .commands import Commands
from .decoding import Era, event_of
from .history import PAGE, milliseconds
from .membership import Membership
from .misuse import awaited
from .ndjson import encode_line
from .parts import PartsReader, Unavailable
from .wholefile import WholeFile

T = TypeVar("T")


class EventWriter(Protocol):
    """Writes events into a file."""

    def write(self, events: Sequence[Event]) -> None:
        """Add events."""

    def finish(self) -> None:
        """Write the rest."""

    def close(self) -> None:
        """Release what is needed for writing, also after an error. The file stays open."""


class NDJSONWriter:
    """Writes a line of JSON for each event.

    Parameters
    ----------
    file : file
    compressed : bool
    """

    def __init__(self, file: IO[bytes], *, compressed: bool = False) -> None:
        self._file: Any = gzip.GzipFile(fileobj=file, mode="wb", compresslevel=6, filename="") if compressed else file
        self._compressed = compressed

    def write(self, events: Sequence[Event]) -> None:
        """Add events."""
        self._file.write(b"".join(map(encode_line, events)))

    def finish(self) -> None:
        """Write the rest."""
        if self._compressed:
            self._file.close()

    def close(self) -> None:
        """Do nothing: the file is not kept open."""


_WRITERS: dict[str, Callable[[IO[bytes]], EventWriter]] = {
    ".ndjson": NDJSONWriter,
    ".jsonl": NDJSONWriter,
    ".ndjson.gz": lambda file: NDJSONWriter(file, compressed=True),
    ".jsonl.gz": lambda file: NDJSONWriter(file, compressed=True),
    ".csv": CSVWriter,
    ".parquet": lambda file: ArrowWriter(file, parquet=True),
    ".arrow": lambda file: ArrowWriter(file, parquet=False),
}


def _writer_for(path: Path) -> Callable[[IO[bytes]], EventWriter]:
    for suffix, writer in _WRITERS.items():
        if path.name.lower().endswith(suffix):
            return writer
    raise ExportError(f"{path.name!r} says no format that is known: its end must be {', '.join(_WRITERS)}")


class Exporting:
    """Exports the events of a room. A room owns it.

    Parameters
    ----------
    membership : Membership
    commands : Commands
    """

    def __init__(self, membership: Membership, commands: Commands) -> None:
        self._membership = membership
        self._commands = commands

    @awaited
    def export(
        self,
        path: str | Path,
        *,
        event: str | None = None,
        sender: str | None = None,
        after: int | None = None,
        before: int | None = None,
        since: float | datetime | None = None,
        limit: int | None = None,
        progress: bool = True,
    ) -> Coroutine[Any, Any, int]:
        """Write the room's events into a file, and return their number. Memory stays bounded.

        The file appears when it is complete; a file that was at the path is replaced then. It has the events up to the
        newest one at the call. See docs/export.md for the formats.

        Parameters
        ----------
        path : str or Path
            Its end says the format: ``.ndjson`` and ``.ndjson.gz`` keep everything, and can be imported again;
            ``.csv``, ``.parquet`` and ``.arrow`` have a column for each key of the data. The last two need pyarrow.
        event : str, optional
            Only events of this name.
        sender : str, optional
            Only events whose sender has this name, user, or notebook path.
        after, before : int, optional
            Events between these positions (seq), both exclusive.
        since : float or datetime, optional
            Events since this time; a float is in seconds since 1970.
        limit : int, optional
            At most this number of events, from the oldest on.
        progress : bool
            Show a progress bar, if tqdm is installed.

        Returns
        -------
        int

        Raises
        ------
        ExportError
            If the format is unknown, or the events do not fit into it.
        ImportError
            If pyarrow is needed and not installed.
        OSError
            If the file cannot be written.
        """
        # Not a coroutine function, since the bar must be made on the caller's thread: it belongs to the caller's cell.
        bar = _progress_bar(Path(path).name) if progress else _NoBar()
        wanted = {"after": after, "before": before, "since": milliseconds(since), "event": event, "sender": sender}
        given = {name: value for name, value in wanted.items() if value is not None}
        return self._export(Path(path), given, limit, bar)

    async def _export(self, path: Path, wanted: dict[str, Any], limit: int | None, bar: ProgressBar) -> int:
        self._membership.check()
        file: WholeFile | None = None
        writer: EventWriter | None = None
        count = 0
        try:
            make = _writer_for(path)
            file = await _on_a_thread(lambda: WholeFile(path))
            writer = make(file.file)
            if not wanted.keys() & {"event", "sender", "since", "before"}:
                bar.reset(await self._total(wanted.get("after", 0), limit))
            async for events in self._pages(wanted, limit):
                await _on_a_thread(lambda events=events: writer.write(events))  # type: ignore[misc]
                count += len(events)
                bar.update(len(events))
            await _on_a_thread(writer.finish)
            await _on_a_thread(file.commit)
        finally:
            bar.close()
            if writer is not None:
                writer.close()
            if file is not None:
                await _on_a_thread(file.discard)
        return count

    async def _total(self, after: int, limit: int | None) -> int:
        reply = await self._commands.ask_patiently("lag", {"room": self._membership.room, "after": after})
        return int(reply["missed"]) if limit is None else min(limit, int(reply["missed"]))

    async def _pages(self, wanted: dict[str, Any], limit: int | None) -> AsyncIterator[list[Event]]:
        """Yield the events page by page, up to the one that is the newest at the first page."""
        room = self._membership.room
        request = {"room": room, **wanted}
        missing = limit if limit is not None else float("inf")
        while missing > 0:
            reply = await self._commands.ask_patiently("history", {**request, "limit": int(min(missing, PAGE))})
            async for events in self._loaded(reply):
                yield events
            missing -= len(reply["events"])
            if not reply["more"]:
                return
            request.setdefault("before", int(reply["head"]) + 1)
            # Positions of another log would be other events: with the epoch the hub refuses them.
            request |= {"after": reply["through"], **Era.of(reply).fields}

    async def _loaded(self, reply: dict[str, Any]) -> AsyncIterator[list[Event]]:
        """Yield the events of a page; each one in parts by itself, since it is large."""
        room = self._membership.room
        reader, whole = PartsReader.of(room, self._commands), list[Event]()
        for one in reply["events"]:
            data = one.get("data")
            if "parts" in one:
                yield whole
                whole, data = [], await reader.read(data, one, Era.of(reply))
                if isinstance(data, Unavailable):
                    continue  # trimmed since the page was read, or damaged, which is logged
            whole.append(event_of(room, one["event"], data, one, replay=True))
            if "parts" in one:
                yield whole
                whole = []
        yield whole


async def _on_a_thread(work: Callable[[], T]) -> T:
    """Run work on a thread, since disks can be slow; wait for its end also if the caller is cancelled."""
    running = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise


class ProgressBar(Protocol):
    """A progress bar, as tqdm makes it."""

    def reset(self, total: int) -> None:
        """Set the number of events that there are."""

    def update(self, number: int) -> object:
        """Add to the number of events that were written."""

    def close(self) -> None:
        """End it."""


class _NoBar:
    """A progress bar that is not shown."""

    def reset(self, total: int) -> None:
        """Do nothing."""

    def update(self, number: int) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


def _progress_bar(name: str) -> ProgressBar:
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return _NoBar()
    bar: ProgressBar = tqdm(desc=name, unit=" events", unit_scale=True, leave=False)
    return bar
