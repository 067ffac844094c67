"""The client side of connection state recovery (docs/protocol.md#socketio-recovery)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jupyter_rtmsg.wire.packet import OFFSET

from .handlers import Handler


class RecoveryClaim:
    """The id of a socket's connection and the offset of its last event, which the server needs to recover it.

    Parameters
    ----------
    offsets : bool
        Whether events have offsets even if the server does not recover this connection, since other clients share its
        frames.

    Attributes
    ----------
    pid : str or None
        The server's secret id of the connection; None if the server does not recover connections.
    offset : str or None
        The offset of the last event.
    """

    __slots__ = ("_offsets", "offset", "pid")

    def __init__(self, offsets: bool = False) -> None:
        self._offsets = offsets
        self.pid: str | None = None
        self.offset: str | None = None

    def claim(self) -> dict[str, str]:
        """Return the fields to add to the ``auth`` of CONNECT."""
        if self.pid is None:
            return {}
        return {"pid": self.pid} if self.offset is None else {"pid": self.pid, "offset": self.offset}

    def connected(self, pid: Any) -> bool:
        """Take the ``pid`` of the answer to CONNECT; return whether the connection was recovered."""
        recovered = pid is not None and pid == self.pid
        if not recovered:
            self.offset = None  # it is one of the old connection
        self.pid = pid if isinstance(pid, str) else None
        return recovered

    def received(self, args: Sequence[Any]) -> bool:
        """Note the offset of an event without an ack id; return whether the event consists of nothing else."""
        if self.pid is None or type(args[-1]) is not str or len(args) < 2:
            return False
        self.offset = args[-1]
        return bool(args[0] == OFFSET)

    def fitted(self, handler: Handler, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the arguments for a handler: without the offset at their end, unless the function takes that, too.

        A JavaScript function ignores an additional argument, a Python function would raise.
        """
        if not (self._offsets or self.pid) or not args or type(args[-1]) is not str or handler.takes(len(args)):
            return args
        return args[:-1]
