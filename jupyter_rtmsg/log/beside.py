"""What a log keeps beside its events, while it is moved from memory into a file: cursors and notes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from .eventlog import Cursor, CursorKey, Cursors, Notes
from .moved import Moved


class Gate:
    """Closed while a log is moved."""

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._open.set()

    @property
    def closed(self) -> bool:
        """Whether the log is being moved."""
        return not self._open.is_set()

    def close(self) -> None:
        """Have everybody wait who comes from now on."""
        self._open.clear()

    def open(self) -> None:
        """Let everybody pass."""
        self._open.set()

    async def passed(self) -> None:
        """Wait while it is closed."""
        await self._open.wait()


class MovingCursors:
    """The `Cursors` of a log that is moved.

    Parameters
    ----------
    current : callable
        Returns those of the present log.
    gate : Gate
    """

    def __init__(self, current: Callable[[], Cursors], gate: Gate) -> None:
        self._current = current
        self._gate = gate
        self._late: list[tuple[CursorKey, int]] = []  # moved while the log was

    async def get(self, key: CursorKey) -> Cursor | None:
        """See `Cursors.get`."""
        await self._gate.passed()
        return await self._current().get(key)

    def move(self, key: CursorKey, position: int) -> None:
        """See `Cursors.move`."""
        self._current().move(key, position)
        if self._gate.closed:
            self._late.append((key, position))

    async def count(self, user: str, room: str) -> int:
        """See `Cursors.count`."""
        await self._gate.passed()
        return await self._current().count(user, room)

    async def rename(self, old: str, new: str) -> None:
        """See `Cursors.rename`."""
        await self._gate.passed()
        await self._current().rename(old, new)

    async def all(self) -> list[tuple[CursorKey, Cursor]]:
        """See `Cursors.all`."""
        await self._gate.passed()
        return await self._current().all()

    def stay(self) -> None:
        """Learn that the log was not moved."""
        self._late.clear()

    def take_over(self, saved: Iterable[tuple[CursorKey, Cursor]], moved: Moved) -> None:
        """Set all cursors in the log that is the present one now."""
        late, self._late = self._late, []
        for key, old in (*((key, cursor.position) for key, cursor in saved), *late):
            position = moved.position(old)
            if position is not None:
                self._current().move(key, position)


class MovingNotes:
    """The `Notes` of a log that is moved.

    Parameters
    ----------
    current : callable
        Returns those of the present log.
    gate : Gate
    """

    def __init__(self, current: Callable[[], Notes], gate: Gate) -> None:
        self._current = current
        self._gate = gate
        self._late: list[tuple[str, bytes | None, float]] = []

    async def get(self, key: str) -> bytes | None:
        """See `Notes.get`."""
        await self._gate.passed()
        return await self._current().get(key)

    def put(self, key: str, value: bytes | None, until: float) -> asyncio.Future[None]:
        """See `Notes.put`."""
        if self._gate.closed:
            self._late.append((key, value, until))
        return self._current().put(key, value, until)

    async def all(self) -> list[tuple[str, bytes, float]]:
        """See `Notes.all`."""
        await self._gate.passed()
        return await self._current().all()

    def stay(self) -> None:
        """Learn that the log was not moved."""
        self._late.clear()

    def take_over(self, saved: Iterable[tuple[str, bytes, float]]) -> None:
        """Set all notes in the log that is the present one now."""
        late, self._late = self._late, []
        for note in (*saved, *late):
            self._current().put(*note)
