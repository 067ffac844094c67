"""Events as lines of text, for terminals and for the output of cells."""

from __future__ import annotations

from jupyter_rtmsg.event import Event, label
from jupyter_rtmsg.names import escaped
from jupyter_rtmsg.payloads.text import data_text

from .names import Names

_WIDTH = 500  # characters of the data in a line


class EventLines:
    """Shows events as lines of text, without characters that a terminal obeys.

    Parameters
    ----------
    you : str or None
        The user whose own events are shown as such.
    """

    def __init__(self, you: str | None) -> None:
        self._names = Names(you)

    def __call__(self, event: Event) -> str:
        """Return the line of an event: its number, time, sender, name and data."""
        self._names.add(event.sender)
        data = "" if event.wire is None else f"  {escaped(data_text(event.wire, _WIDTH))}"
        time = event.time.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        return f"{label(event)}  {time}  {self._names.of(event.sender)}  {escaped(event.name)}{data}"
