"""What ``%rtmsg`` does, in one shell."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from jupyter_rtmsg.event import Event
from jupyter_rtmsg.notebook import RegisteredListener
from jupyter_rtmsg.rooms.connect import found_or_latest
from jupyter_rtmsg.rooms.lines import EventLines
from jupyter_rtmsg.rooms.room import Room

from .arguments import Finished, Wrong, parse
from .cell import RunningCell, stored
from .completion import Completer


class Magic:
    """Runs the lines of ``%rtmsg``.

    Parameters
    ----------
    shell : InteractiveShell
    """

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._tails: dict[str, Callable[[], None]] = {}
        self._completer = Completer()

    def run(self, line: str, cell: str | None = None) -> None:
        """Run a line.

        Raises
        ------
        Wrong
            If it was written wrong.
        RtmsgError
            What the command raises.
        """
        if cell is not None:
            raise Wrong("%%rtmsg must be the first line of its cell, and cannot be used through another magic")
        try:
            arguments = parse(line)
        except Finished:
            return
        getattr(self, f"_{arguments.command}")(arguments)

    def complete(self, text: str, word: str) -> list[str]:
        """Return the words that may stand at the end of a text.

        Parameters
        ----------
        text : str
            The line up to the cursor.
        word : str
            The word at the cursor, as far as it is written.
        """
        return self._completer.of(text, word)

    def close(self) -> None:
        """End all tails."""
        for stop in self._tails.values():
            stop()
        self._tails.clear()

    def _join(self, arguments: Any) -> None:
        room = self._joined(arguments.room, as_=arguments.as_)
        known = self._shell.user_ns.get(room.name)
        if room.name.isidentifier() and (known is None or isinstance(known, Room)):
            self._shell.user_ns[room.name] = room
            print(f"joined: the room is the variable {room.name}")
        else:
            why = "is no name of a variable" if known is None else f"is a {type(known).__name__} here, and stays one"
            print(f"joined, but {room.name} {why}. Write room = rt.connect().join({room.name!r})")

    def _joined(self, name: str, as_: str | None = None) -> Room:
        room = found_or_latest().join(name, as_=as_)
        self._completer.add(room)
        return room

    def _tail(self, arguments: Any) -> None:
        room = self._joined(arguments.room)
        tail = EventTail(EventLines(found_or_latest().user), arguments.event)
        self._end_tail(room.name)
        self._tails[room.name] = room.watch(RegisteredListener(tail.take))
        if arguments.last > 0:
            tail.begin(room.history(last=arguments.last, event=arguments.event))
        else:
            tail.begin([])

    def _stop(self, arguments: Any) -> None:
        if not self._end_tail(arguments.room):
            raise Wrong(f"nothing shows room {arguments.room!r}. Write %rtmsg tail {arguments.room}")

    def _end_tail(self, name: str) -> bool:
        stop = self._tails.pop(name, None)
        if stop is not None:
            stop()
        return stop is not None

    def _rooms(self, _: Any) -> None:
        print(found_or_latest().rooms())

    def _emit(self, arguments: Any) -> None:
        if arguments.cell:
            if arguments.data is not None:
                raise Wrong("%%rtmsg emit sends the value of the cell below it. Write %%rtmsg emit lab metric")
            RunningCell(self._shell).emit(arguments.room, arguments.event or "result")
            return
        if arguments.event is None:
            raise Wrong('the name of the event is missing. Write %rtmsg emit lab metric {"loss": 1}')
        data = None if arguments.data is None else self._value(arguments.data)
        print(stored(arguments.room, arguments.event, data))

    def _value(self, text: str) -> Any:
        """Return the data that a text says: JSON, or else the value of an expression."""
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            pass
        try:
            return self._shell.ev(text)
        except SyntaxError:
            raise Wrong(
                f'{text[:80]!r} is neither JSON nor an expression. Write {{"loss": 1}}, or a text in quotes'
            ) from None

    def _capture(self, arguments: Any) -> None:
        RunningCell(self._shell).capture(arguments.room)

    def _notify(self, arguments: Any) -> None:
        RunningCell(self._shell).notify(" ".join(arguments.name) or "the cell", arguments.room)


class EventTail:
    """Prints the events of a room: first those of the history, then those that come, each once.

    Parameters
    ----------
    line : EventLines
    event : str or None
        Only events of this name.
    """

    def __init__(self, line: EventLines, event: str | None) -> None:
        self._line = line
        self._event = event
        self._seen = 0
        self._waiting: list[Event] | None = []  # what came before the history was read

    def begin(self, history: Sequence[Event]) -> None:
        """Print the history, and what came while it was read."""
        for event in history:
            self._print(event)
        waiting, self._waiting = self._waiting or [], None
        for event in waiting:
            self._print(event)

    def take(self, event: Event) -> None:
        """Take an event that the room has got."""
        if self._waiting is not None:
            self._waiting.append(event)
        else:
            self._print(event)

    def _print(self, event: Event) -> None:
        if event.name.startswith("$") or self._event not in (None, event.name):
            return
        if event.seq is not None:
            if event.seq <= self._seen:
                return
            self._seen = event.seq
        print(self._line(event))
