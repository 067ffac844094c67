"""Connection state recovery, seen from the client (docs/protocol.md#socketio-recovery)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jupyter_rtmsg.wire.packet import OFFSET

from .handlers import Handler


class Recovery:
    """What a server that recovers connections wants to hear again: whose connection it was, and what came last.

    Parameters
    ----------
    offsets : bool
        Whether events have offsets even though the server does not recover this connection: others share its frames.

    Attributes
    ----------
    pid : str or None
        The server's secret name of the connection; None unless the server recovers.
    offset : str or None
        The position of the last event.
    """

    __slots__ = ("_offsets", "offset", "pid")

    def __init__(self, offsets: bool = False) -> None:
        self._offsets = offsets
        self.pid: str | None = None
        self.offset: str | None = None

    def claim(self) -> dict[str, str]:
        """Return what goes into the CONNECT."""
        if self.pid is None:
            return {}
        return {"pid": self.pid} if self.offset is None else {"pid": self.pid, "offset": self.offset}

    def connected(self, pid: Any) -> bool:
        """Take the ``pid`` of the server's answer; tell whether it means that nothing was missed."""
        recovered = pid is not None and pid == self.pid
        if not recovered:
            self.offset = None  # it belongs to the connection that could not be recovered
        self.pid = pid if isinstance(pid, str) else None
        return recovered

    def received(self, args: Sequence[Any]) -> bool:
        """Take note of an event that asks for no acknowledgement; return whether it tells the offset and no more."""
        if self.pid is None or type(args[-1]) is not str or len(args) < 2:
            return False
        self.offset = args[-1]
        return bool(args[0] == OFFSET)

    def fitted(self, handler: Handler, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the arguments without the offset behind them if a handler has no room for it.

        A function of JavaScript takes no notice of an argument more, Python's would fail.
        """
        if not (self._offsets or self.pid) or not args or type(args[-1]) is not str or handler.takes(len(args)):
            return args
        return args[:-1]
