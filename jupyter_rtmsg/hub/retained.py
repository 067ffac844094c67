"""The retained values of an active room, encoded for those who join it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from jupyter_rtmsg.log import EventLog
from jupyter_rtmsg.wire.socketio import Encoded

from .encode import encode_record


class RetainedState:
    """The last event under each key of a room, as it is sent to a joiner.

    It is read from the log by the first join after a change, and kept for the next ones.

    Parameters
    ----------
    room : str
    """

    # `_version` counts the changes that the hub has seen. What is read may be newer than that, never older: a joiner
    # gets all later events. So a result is kept only if no change was seen while it was read, and joins share a read
    # only if it was begun after the last change that they have seen.

    __slots__ = ("_encoded", "_reading", "_room", "_version")

    def __init__(self, room: str) -> None:
        self._room = room
        self._version = 0
        self._encoded: Sequence[Encoded] | None = None
        self._reading: asyncio.Task[Sequence[Encoded]] | None = None

    def changed(self) -> None:
        """Read the values again at the next join."""
        self._version += 1
        self._encoded = self._reading = None

    async def read(self, log: EventLog) -> Sequence[Encoded]:
        """Return the values, in order of their positions."""
        if self._encoded is not None:
            return self._encoded
        if self._reading is None:
            self._reading = asyncio.get_running_loop().create_task(self._read(log))
        return await asyncio.shield(self._reading)

    async def _read(self, log: EventLog) -> Sequence[Encoded]:
        version = self._version
        try:
            encoded = [encode_record(record, retained=True) for record in await log.retained(self._room)]
        finally:
            if version == self._version:
                self._reading = None
        if version == self._version:
            self._encoded = encoded
        return encoded
