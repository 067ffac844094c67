"""The interface for the parts of events that are too large for a message."""

from __future__ import annotations

from typing import Protocol


class PartStore(Protocol):
    """Stores the parts of large events: first the parts under a key, then the event with `Draft.parts`.

    Parts belong to their event from then on, and are deleted with it.
    """

    async def put(self, key: int, number: int, data: bytes) -> None:
        """Store a part, and return when it is as durable as the log promises.

        Parameters
        ----------
        key : int
            From `new_key`.
        number : int
            Of the part, from 0 on.
        data : bytes

        Raises
        ------
        LogFull, LogDiskError, LogError
        """

    def drop(self, key: int) -> None:
        """Delete parts whose event will not be stored; if it was, they stay. Append no event with this key after it."""

    async def get(self, room: str, seq: int, number: int, now: int) -> bytes | None:
        """Return a part of an event.

        Parameters
        ----------
        room : str
        seq : int
            The position of the event.
        number : int
        now : int
            Log time (ms).

        Returns
        -------
        bytes or None
            None if the room has no such event (any more), the event no such part, or the part is damaged.
        """
