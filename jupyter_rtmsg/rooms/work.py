"""What a worker asks of its group, checked where it is written, and what it needs of its room."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from functools import partial
from inspect import iscoroutinefunction, unwrap
from typing import Any, NamedTuple, TypeAlias

from jupyter_rtmsg.advice import short
from jupyter_rtmsg.client.executor import ExecutorFactory
from jupyter_rtmsg.errors import WrongCall
from jupyter_rtmsg.event import Event
from jupyter_rtmsg.process import this_process

from .commands import Commands
from .decoding import Era
from .failures import FailureLog
from .history import milliseconds
from .parts import PartsLoader

MOST_IN_FLIGHT = 1_000
SYNC_IN_FLIGHT, ASYNC_IN_FLIGHT = 1, 8
Start: TypeAlias = "str | int | datetime | Event"
_EXAMPLE = 'Write @lab.worker("resize", event="image.*")'


def is_async(function: Callable[..., Any]) -> bool:
    """Return whether calling a function returns a coroutine."""
    while isinstance(function, partial):
        function = function.func
    return iscoroutinefunction(unwrap(function)) or iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004


class WorkerState(Enum):
    """The state of a `Worker`."""

    STARTING = "starting"
    WORKING = "working"
    AWAY = "away"
    LEAVING = "leaving"
    ENDED = "ended"


class Surroundings(NamedTuple):
    """What a worker needs of its room.

    Attributes
    ----------
    room : str
    commands : Commands
    spawn : callable
        Runs a coroutine as a task of the membership.
    call_soon : callable
        Schedules a function on the I/O loop. Thread-safe.
    era : callable
        Returns the era of the room's log.
    make_executor, make_task_executor : callable
        Make executors for sync and for async handlers.
    failures : FailureLog
    loader : PartsLoader
    """

    room: str
    commands: Commands
    spawn: Callable[[Coroutine[Any, Any, None]], object]
    call_soon: Callable[[Callable[[], None]], object]
    era: Callable[[], Era]
    make_executor: ExecutorFactory
    make_task_executor: ExecutorFactory
    failures: FailureLog
    loader: PartsLoader


@dataclass(frozen=True, slots=True)
class WorkSettings:
    """The settings of a worker.

    Attributes
    ----------
    group : str
    event, key : str or None
    max_in_flight, tries : int
    ack_wait : float or None
    start : str, int, datetime or Event
        ``"first"``, ``"new"``, after a seq or an event, or since a time.
    """

    group: str
    event: str | None = None
    key: str | None = None
    max_in_flight: int = SYNC_IN_FLIGHT
    tries: int = 5
    ack_wait: float | None = None
    start: Start = "first"

    @classmethod
    def checked(cls, group: Any, function: Callable[..., Any], max_in_flight: Any, **settings: Any) -> WorkSettings:
        """Return the settings; raise `WrongCall` for a value that no hub takes."""
        if max_in_flight is None:
            max_in_flight = ASYNC_IN_FLIGHT if is_async(function) else SYNC_IN_FLIGHT
        check_group(group)
        for name in ("event", "key"):
            if not isinstance(settings[name], (str, type(None))):
                raise WrongCall(f"worker() takes a str as {name}=, not {short(settings[name])}. {_EXAMPLE}")
        _check_number("max_in_flight", max_in_flight, MOST_IN_FLIGHT)
        _check_number("tries", settings["tries"], MOST_IN_FLIGHT)
        wait, start = settings["ack_wait"], settings["start"]
        if wait is not None and (isinstance(wait, bool) or not isinstance(wait, (int, float)) or not wait > 0):
            raise WrongCall(f"ack_wait= is a number of seconds above 0, or None, not {short(wait)}. Write ack_wait=600")
        words = isinstance(start, str) and start not in ("first", "new")
        if words or isinstance(start, bool) or not isinstance(start, (str, int, datetime, Event)):
            raise WrongCall(f'start= is "first", "new", a seq, an event or a datetime, not {short(start)}')
        return cls(group, max_in_flight=max_in_flight, **settings)

    def request(self, era: Era) -> dict[str, Any]:
        """Return the fields of ``work``; ``era`` is that of a seq."""
        process = this_process()
        fields = {
            "group": self.group,
            "event": self.event,
            "key": self.key,
            "max_in_flight": self.max_in_flight,
            "tries": self.tries,
            "ack_wait": self.ack_wait,
            "start": self._start(era),
            "pid": None if process is None else str(process),
        }
        return {name: value for name, value in fields.items() if value is not None}

    def _start(self, era: Era) -> Any:
        start = self.start.seq or 0 if isinstance(self.start, Event) else self.start
        if isinstance(start, datetime):
            return {"ts": milliseconds(start)}
        return start if isinstance(start, str) else {"seq": start, **era.fields}


def check_group(group: object) -> None:
    """Raise `WrongCall` unless the name of a group is a str."""
    if callable(group):
        raise WrongCall(f"a worker belongs to a group, which has a name. {_EXAMPLE} above the function")
    if not isinstance(group, str) or not group:
        raise WrongCall(f"the name of a group is a str, not {short(group)}. {_EXAMPLE}")


def _check_number(name: str, value: object, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise WrongCall(f"{name}= is a whole number from 1 to {most:,}, not {short(value)}")
