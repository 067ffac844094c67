"""The state of a room: the last event under each key that was emitted with ``retain``, as a live mapping.

The hub sends all values after each join, and later ones as events with a key. Per key the highest seq wins, and what
was sent after a join replaces all of before, so the state is right after a reconnect, in another log, and whatever was
trimmed meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, TypeVar, overload

from jupyter_rtmsg import advice
from jupyter_rtmsg.client.blocking import blocking, direct, direct_overloaded
from jupyter_rtmsg.client.bridge import Bridge
from jupyter_rtmsg.client.handlers import Handler
from jupyter_rtmsg.errors import WrongCall
from jupyter_rtmsg.event import Event
from jupyter_rtmsg.payloads.text import data_text

from .decoding import event_of
from .misuse import awaited, check_handler
from .table import Table

if TYPE_CHECKING:
    import pandas

F = TypeVar("F", bound=Callable[..., Any])

STATE = "state"
"""The name of the events by which `SharedState.set` and `SharedState.delete` change a value."""

CHANGED = "$state:"
"""The beginning of the name under which the handlers of a key are registered; alone, that of all keys."""

_SHOWN = 60  # characters of a value in a table


class Queue(Protocol):
    """The queue of the handlers, an `Inbox`."""

    def value(self, name: str, event: Event) -> None:
        """Call the handlers of a name with an event."""

    def retained(self, event: Event, size: int) -> None:
        """Call the handlers of an event's name, also those that come later."""


class StateValues:
    """The values of one room. Changed on the I/O loop; read on any thread.

    Parameters
    ----------
    room : str
    queue : Queue
        Calls the handlers of changes.
    """

    # `events` is replaced as a whole, so that other threads read it without a lock. While a snapshot comes in,
    # `_incoming` has the values of it that came so far, and `_awaited` is the number of those to come; the values of
    # before are shown until it is complete. `_covered`: the snapshot is not older than this position, so an event up to
    # it that is replayed changes nothing.

    def __init__(self, room: str, queue: Queue) -> None:
        self._room = room
        self._queue = queue
        self.events: dict[str, Event] = {}
        self._incoming: dict[str, Event] = {}
        self._awaited = 0
        self._covered = 0
        self._started = -1
        self._listeners: tuple[tuple[str, Callable[[Event], None]], ...] = ()

    def expect(self, count: int, covered: int, started: int = -1) -> None:
        """Begin a snapshot, which replaces the present values when it is complete.

        Parameters
        ----------
        count : int
            The number of its values.
        covered : int
            A position: the snapshot has all changes up to there.
        started : int
            The position at which this client has joined for the first time; handlers get the values of before.
        """
        self._incoming, self._awaited, self._covered, self._started = {}, count, covered, started
        if not count:
            self._complete()

    def take(self, args: list[Any], size: int) -> bool:
        """Take an event with a key, as the wire brings it, and return whether it is only a value of the snapshot."""
        if "retained" in args[2]:
            self.retained(args, size)
            return True
        self.live(args)
        return False

    def retained(self, args: list[Any], size: int) -> None:
        """Take a value of the snapshot, as the wire brings it. Handlers get it if this client joins just now."""
        event = event_of(self._room, args[0], args[1], args[2], replay=True)
        if self._awaited and event.key is not None:
            self._incoming[event.key] = event
            self._awaited -= 1
            if not self._awaited:
                self._complete()
        if (event.seq or 0) <= self._started:
            self._queue.retained(event, size)

    def live(self, args: list[Any]) -> None:
        """Take an event with a key, replayed or live."""
        seq, key = args[2].get("seq") or 0, args[2]["key"]
        held = (self._incoming if self._awaited else self.events).get(key)
        if seq > (held.seq or 0 if held else self._covered):
            self._put(key, event_of(self._room, args[0], args[1], args[2], "replay" in args[2]))

    def expired(self, keys: Mapping[str, Any]) -> None:
        """Remove values that have expired."""
        for key, seq in keys.items():
            held = self.events.get(key)
            if held is not None and held.seq == seq:
                self._put(key, replace(held, wire=None, lazy=None))

    def _put(self, key: str, event: Event) -> None:
        after = {name: held for name, held in self.events.items() if name != key}
        if event.wire is not None:
            after[key] = event
        elif key not in self.events:
            return
        self.events = after
        self._changed(key, event)

    def _complete(self) -> None:
        before, self.events, self._incoming = self.events, self._incoming, {}
        for key, event in self.events.items():
            held = before.get(key)
            if held is None or (held.seq, held.wire) != (event.seq, event.wire):
                self._changed(key, event)
        for key in before.keys() - self.events.keys():
            self._changed(key, replace(before[key], wire=None, lazy=None))

    def listen(self, key: str, function: Callable[[Event], None]) -> Callable[[], None]:
        """Call a function with each event that changes a key's value, on the I/O loop; return what ends that."""
        # replaced as a whole, since it is read on the loop
        self._listeners = (*self._listeners, (key, function))

        def end() -> None:
            self._listeners = tuple(each for each in self._listeners if each != (key, function))

        return end

    def _changed(self, key: str, event: Event) -> None:
        for wanted, function in self._listeners:
            if wanted == key:
                function(event)
        self._queue.value(CHANGED + key, event)
        self._queue.value(CHANGED, event)


class StateMembership(Protocol):
    """The membership of a room, as far as its state needs it."""

    room: str
    values: StateValues

    def register(self, handler: Handler, *, at_once: bool = False) -> None:
        """Add a handler."""


Emit = Callable[..., Coroutine[Any, Any, Any]]


class AsyncSharedState(Mapping[str, Any]):
    """The state of a room: its retained values by key, kept up to date.

    It is ``room.state`` of an `AsyncRoom`.

    Parameters
    ----------
    membership : Membership
    emit : callable
        The room's ``emit``.

    Examples
    --------
    >>> await lab.state.set("lr", 0.01)
    >>> lab.state["lr"]
    0.01
    """

    def __init__(self, membership: StateMembership, emit: Emit) -> None:
        self._membership = membership
        self._emit = emit

    if not TYPE_CHECKING:

        def __getattr__(self, name):
            advice.no_such_name(self, name, advice.STATE, awaited=True)

    def __getitem__(self, key: str) -> Any:
        return self._events[key].data

    def __setitem__(self, key: str, value: Any) -> NoReturn:
        raise WrongCall(
            f"a value is set in the hub. Write await lab.state.set({advice.short(key)}, {advice.short(value)})"
        )

    def __delitem__(self, key: str) -> NoReturn:
        raise WrongCall(f"a value is deleted in the hub. Write await lab.state.delete({advice.short(key)})")

    def __iter__(self) -> Iterator[str]:
        return iter(self._events)

    def __len__(self) -> int:
        return len(self._events)

    def __repr__(self) -> str:
        return _TABLE.text(self._rows(), f"The state of room {self._membership.room!r}:")

    def _repr_html_(self) -> str:
        """Return a table. Text that people wrote is escaped."""
        return _TABLE.html(self._rows(), f"The state of room {self._membership.room!r}:")

    def to_pandas(self) -> pandas.DataFrame:
        """Return a DataFrame with a row per key: ``key, value, seq, time, user``.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        return _TABLE.to_pandas(self._rows())

    def event(self, key: str) -> Event | None:
        """Return the event that set the value of a key: it has the ``sender``, the ``time`` and the ``seq``."""
        return self._events.get(key)

    def seq(self, key: str) -> int:
        """Return the seq of a key's value, for ``expect``; 0 if there is none."""
        event = self._events.get(key)
        return (event.seq or 0) if event else 0

    @overload
    def on_change(self, key: F, /) -> F: ...
    @overload
    def on_change(self, key: str | None = None, /, *, output: object = None) -> Callable[[F], F]: ...
    @overload
    def on_change(self, key: str | None, function: F, /, *, output: object = None) -> F: ...
    def on_change(self, key: Any = None, function: Any = None, /, *, output: Any = None) -> Any:
        """Register a handler for changes of a value: as a decorator, or with the function as an argument.

        It runs as handlers of events do, for each change that comes after this. The present value is in the mapping.

        Parameters
        ----------
        key : str, optional
            By default all keys.
        function : callable, optional
            Gets the `Event` that changed the value: ``event.key``, and the new value in ``event.data``, None if it was
            deleted or has expired.
        output : ipywidgets.Output or IPython.display.DisplayHandle, optional
            As in ``room.on``.
        """
        if callable(key):
            key, function = None, key
        if function is None:
            return lambda function: self.on_change(key, function, output=output)
        check_handler(function)
        self._membership.register(Handler(function, CHANGED + (key or ""), output=output))
        return function

    @awaited
    async def set(
        self,
        key: str,
        value: Any,
        *,
        expect: int | None = None,
        expire: float | None = None,
        event: str = STATE,
        timeout: float = 10.0,
    ) -> int:
        """Set the value of a key for all members, and return the seq of the event that does it.

        Parameters
        ----------
        key : str
            1 to 128 characters.
        value : object
            JSON, with bytes anywhere inside; None deletes the key.
        expect : int, optional
            Set it only if the seq of the present value is this; 0 if there must be none. See `seq`.
        expire : float, optional
            Seconds after which the value is gone.
        event : str
            The name of the event.
        timeout : float
            Seconds.

        Raises
        ------
        Conflict
            If the value is another one than expected; ``head`` is the seq of the present one.
        LimitExceeded
            If the room has 1,000 keys, or 1 MiB of values.
        """
        seq: int = await self._emit(event, value, retain=key, expect=expect, expire=expire, timeout=timeout)
        return seq

    @awaited
    async def delete(self, key: str, *, expect: int | None = None, timeout: float = 10.0) -> int:
        """Delete a key for all members, and return the seq of the event that does it; see `set`."""
        seq: int = await self._emit(STATE, None, retain=key, expect=expect, timeout=timeout)
        return seq

    @property
    def _events(self) -> dict[str, Event]:
        return self._membership.values.events

    def _rows(self) -> list[tuple[str, Event]]:
        return sorted(self._events.items())


class SharedState(Mapping[str, Any]):
    """The state of a room: its retained values by key, kept up to date.

    It is ``room.state`` of a `Room`.

    Parameters
    ----------
    state : AsyncSharedState
    bridge : Bridge

    Examples
    --------
    >>> lab.state.set("lr", 0.01)
    >>> lab.state["lr"]
    0.01
    """

    def __init__(self, state: AsyncSharedState, bridge: Bridge) -> None:
        self._async = state
        self._bridge = bridge

    if not TYPE_CHECKING:

        def __getattr__(self, name):
            advice.no_such_name(self, name, advice.STATE)

    def __getitem__(self, key: str) -> Any:
        return self._async[key]

    def __setitem__(self, key: str, value: Any) -> NoReturn:
        raise WrongCall(f"a value is set in the hub. Write lab.state.set({advice.short(key)}, {advice.short(value)})")

    def __delitem__(self, key: str) -> NoReturn:
        raise WrongCall(f"a value is deleted in the hub. Write lab.state.delete({advice.short(key)})")

    def __iter__(self) -> Iterator[str]:
        return iter(self._async)

    def __len__(self) -> int:
        return len(self._async)

    def __repr__(self) -> str:
        return repr(self._async)

    def _repr_html_(self) -> str:
        return self._async._repr_html_()

    to_pandas = direct(AsyncSharedState.to_pandas, "SharedState")
    event = direct(AsyncSharedState.event, "SharedState")
    seq = direct(AsyncSharedState.seq, "SharedState")
    on_change = direct_overloaded("SharedState")(AsyncSharedState.on_change)
    set = blocking(AsyncSharedState.set, "SharedState")
    delete = blocking(AsyncSharedState.delete, "SharedState")


def _cells(row: tuple[str, Event]) -> tuple[object, ...]:
    key, event = row
    return key, data_text(event.wire, _SHOWN), event.sender.name, event.time, event.seq


def _record(row: tuple[str, Event]) -> dict[str, Any]:
    key, event = row
    return {"key": key, "value": event.data, "seq": event.seq, "time": event.time, "user": event.sender.user}


_TABLE: Table[tuple[str, Event]] = Table(
    ("key", "value", "set by", "time", "seq"),
    _cells,
    fields=("key", "value", "seq", "time", "user"),
    record=_record,
    times=("time",),
    empty="It has no values.",
)
