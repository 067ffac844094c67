"""The cell below a line ``%%rtmsg``: what is done with its value, its output and its end."""

from __future__ import annotations

import sys
import time
from typing import Any

from jupyter_rtmsg.errors import RtmsgError, WrongCall
from jupyter_rtmsg.rooms.connect import found_or_latest
from jupyter_rtmsg.rooms.notify import tell_end

from .capture import capture


class RunningCell:
    """The cell that is running, until it has ended.

    IPython calls `_ended` after each cell, and also after code that a cell runs with ``run_cell``: ``_inner`` counts
    those.

    Parameters
    ----------
    shell : InteractiveShell
    """

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._inner = 0
        self._then: Any = None

    def emit(self, room: str, event: str) -> None:
        """Emit the value of the cell once it has ended.

        Raises
        ------
        RtmsgError
            If no hub can be reached; before the cell runs.
        """
        found_or_latest()

        def emit(result: Any) -> None:
            if not result.success:
                return
            if result.result is None:
                print(
                    f"nothing was emitted in {room}: the cell has no value. End it with an expression, without a ';'",
                    file=sys.stderr,
                )
            else:
                print(stored(room, event, result.result))

        self._at_the_end(emit)

    def notify(self, name: str, room: str | None) -> None:
        """Tell the people in a room how the cell has ended, as `watch_run` does."""
        found_or_latest()
        began = time.monotonic()
        self._at_the_end(lambda result: tell_end(room, name, began, result.error_before_exec or result.error_in_exec))

    def capture(self, room: str) -> None:
        """Send the output of the cell to a room as well."""
        capture(self._shell, found_or_latest(), room)

    def _at_the_end(self, then: Any) -> None:
        self._then = then
        self._shell.events.register("pre_run_cell", self._inner_began)
        self._shell.events.register("post_run_cell", self._ended)

    def _inner_began(self, info: Any) -> None:
        self._inner += 1

    def _ended(self, result: Any) -> None:
        if self._inner:
            self._inner -= 1
            return
        self._shell.events.unregister("pre_run_cell", self._inner_began)
        self._shell.events.unregister("post_run_cell", self._ended)
        try:
            self._then(result)
        except (RtmsgError, WrongCall) as error:
            # The cell has ended: IPython would show the traceback of its own event.
            print(f"{type(error).__name__}: {error}", file=sys.stderr)


def stored(room: str, event: str, data: Any) -> str:
    """Emit an event, wait until it is stored, and tell so in words."""
    receipt = found_or_latest().post(room, event, data)
    seq = receipt.result()
    where = ", in memory only" if receipt.durable is False else ""
    return f"{event} is stored in {room}{where}: seq {seq}"
