"""Stored events that are to be handled again, and the calls of handlers for them."""

from __future__ import annotations

import concurrent.futures
from collections import deque
from collections.abc import Iterator, Sequence

from jupyter_rtmsg.client.executor import Call
from jupyter_rtmsg.client.handlers import Handlers
from jupyter_rtmsg.event import Event


class ReplayQueue:
    """The replays of a room, handled one event at a time, so that live events can come in between.

    Any thread adds replays; the executor takes them. A replay that the executor has taken is `_current`, with the
    number of its events that are handled; it is finished by the executor alone.

    Parameters
    ----------
    handlers : Handlers
    """

    def __init__(self, handlers: Handlers) -> None:
        self._handlers = handlers
        self._waiting: deque[tuple[Sequence[Event], concurrent.futures.Future[int]]] = deque()
        self._current: tuple[Sequence[Event], concurrent.futures.Future[int]] | None = None
        self._handled = 0

    def __bool__(self) -> bool:
        return self._current is not None or bool(self._waiting)

    def add(self, events: Sequence[Event]) -> concurrent.futures.Future[int]:
        """Queue events to be handled again. The future's result is their number, once they are handled."""
        done: concurrent.futures.Future[int] = concurrent.futures.Future()
        self._waiting.append((events, done))
        return done

    def clear(self) -> None:
        """Drop what the executor has not taken."""
        while self._waiting:
            self._waiting.popleft()[1].set_result(0)

    # --- the executor's side

    def calls(self) -> Iterator[Call]:
        """Yield the calls of handlers for the next event."""
        if self._current is None:
            self._current, self._handled = self._waiting.popleft(), 0
        events, _ = self._current
        if self._handled < len(events):
            event = events[self._handled]
            for handler in self._handlers.matching(event.name):
                if handler.replay:
                    yield Call(handler, (event,))
            self._handled += 1
        if self._handled == len(events):
            self.finish()

    def finish(self) -> None:
        """End the replay that the executor has taken; also if the room is left: a thread may wait for the result."""
        if self._current is not None:
            (_, done), self._current = self._current, None
            done.set_result(self._handled)
