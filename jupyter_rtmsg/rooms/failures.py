"""What the handlers of a room raised, as a list that a notebook shows as a table."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone

from jupyter_rtmsg.client.executor import Call
from jupyter_rtmsg.event import Event, label

from .delivery import error_fields
from .table import Table, TableList

KEPT = 100
"""Failures that a room remembers; ``total`` counts all."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What a handler raised.

    Attributes
    ----------
    time : datetime
    kind : str
        ``"listener"`` or ``"worker"``.
    handler : str
        The name of the function, with that of its group for a worker.
    event : Event
    type, message, traceback : str
        Of the exception; long texts are cut.
    """

    time: datetime
    kind: str
    handler: str
    event: Event
    type: str
    message: str
    traceback: str

    @property
    def number(self) -> str:
        """What the event is called."""
        return label(self.event)

    @property
    def name(self) -> str:
        """The name of the event."""
        return self.event.name


_TABLE: Table[Failure] = Table(
    ("time", "event", "name", "kind", "handler", "error", "message"),
    lambda each: (each.time, each.number, each.name, each.kind, each.handler, each.type, each.message),
    fields=("time", "number", "name", "kind", "handler", "type", "message", "traceback"),
    times=("time",),
    empty="No handler has raised.",
    newest=True,
)


class Failures(TableList[Failure]):
    """A list of `Failure`, the newest last.

    Attributes
    ----------
    total : int
        All failures since the room was joined; those that are not listed are older.
    """

    _table = _TABLE

    def __init__(self, failures: Iterable[Failure] = (), total: int = 0) -> None:
        super().__init__(failures)
        self.total = total

    @property
    def _note(self) -> str:
        return f"The last {len(self)} of {self.total:,} failures." if self.total > len(self) else ""


class FailureLog:
    """Remembers the newest failures of a room's handlers. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._newest: deque[Failure] = deque(maxlen=KEPT)
        self._total = 0

    def listener(self, call: Call, error: BaseException) -> None:
        """Note what a listener raised."""
        self._add(call, error, "listener", "")

    def worker(self, group: str, call: Call, error: BaseException) -> None:
        """Note what the worker of a group raised."""
        self._add(call, error, "worker", f" ({group})")

    def _add(self, call: Call, error: BaseException, kind: str, group: str) -> None:
        event = next((each for each in call.args if isinstance(each, Event)), None)
        if event is None:
            return
        function = call.handler.function
        name = getattr(function, "__qualname__", repr(function)) + group
        failure = Failure(datetime.now(timezone.utc), kind, name, event, **error_fields(error))
        with self._lock:
            self._newest.append(failure)
            self._total += 1

    def all(self) -> Failures:
        """Return the failures that are remembered, and the number of all."""
        with self._lock:
            return Failures(self._newest, self._total)
