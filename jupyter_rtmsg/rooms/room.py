"""A room, for code that does not await: the facade of `AsyncRoom`.

It holds the async object that does the work, and the `Bridge` to that object's thread. `blocking` and `direct` make the
methods that only pass on a call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, TypeVar, overload

from jupyter_rtmsg.advice import ROOM, no_such_name
from jupyter_rtmsg.client.blocking import blocking, direct, direct_overloaded, documented_by
from jupyter_rtmsg.client.bridge import Bridge
from jupyter_rtmsg.client.processes import refuse_copy
from jupyter_rtmsg.errors import RtmsgError
from jupyter_rtmsg.event import Event

from . import card, views
from .async_client import AsyncClient
from .async_room import AsyncRoom
from .dead_letters import DeadLetterTable
from .emitting import emit_blocking
from .groups import WorkerGroup
from .hello import Hello
from .members import Member, MemberList
from .replay import Replay
from .state import SharedState
from .stream import Buffer, EventStream, open_stream
from .subscription import RoomSubscription
from .work import Start, check_group
from .workers import show_dead
from .working import Working

F = TypeVar("F", bound=Callable[..., Any])


class BlockingClient(Protocol):
    """The client of a room, a `Client`, as far as the room's user needs it."""

    @property
    def url(self) -> str:
        """The base URL of the server."""

    @property
    def state(self) -> str:
        """The state of the connection."""

    @property
    def hello(self) -> Hello | None:
        """The hub's description of itself and of this client."""

    def join(self, room: str, *, as_: str | None = None) -> Room:
        """Join another room."""

    def close(self, timeout: float = 5.0) -> None:
        """Leave all rooms and disconnect."""


class Room:
    """A room: a named, ordered log of events, and its present members. `Client.join` makes one.

    Attributes
    ----------
    client : Client
        The client that joined the room.
    """

    def __init__(self, client: BlockingClient, room: AsyncRoom, bridge: Bridge, inner: AsyncClient) -> None:
        self.client = client
        self._async = room
        self._bridge = bridge
        self._membership = room.membership
        self._commands = inner.commands
        self._outbox = inner.outbox
        self._durability = inner.durability
        self._state = SharedState(room.state, bridge)

    def __reduce__(self) -> NoReturn:
        refuse_copy(self, f"connect().join({self.name!r})")

    def __repr__(self) -> str:
        return card.text(type(self).__name__, self._membership)

    def _repr_html_(self) -> str:
        try:
            self._membership.check()
            newest = self._bridge.ask(card.newest(self._commands, self._membership))
        except (RtmsgError, RuntimeError, TimeoutError):  # left, offline, forked, or on the I/O thread
            return self._async._repr_html_()
        return card.html(self._membership, newest, complete=True, kept=self._durability.described())

    if not TYPE_CHECKING:

        def __getattr__(self, name):
            no_such_name(self, name, ROOM)

    @property
    def name(self) -> str:
        """The room's name."""
        return self._async.name

    @property
    def subscription(self) -> RoomSubscription | None:
        """The subscription in which the hub keeps this reader's place: its name, a str; None if there is none."""
        inner = self._async.subscription
        return None if inner is None else RoomSubscription(inner, self._bridge)

    @property
    def me(self) -> Member | None:
        """The member that is this client.

        In a large room that does not list this client, only its ``member`` and ``user`` are known.
        """
        return self._async.me

    @property
    def members(self) -> MemberList:
        """The members, with those whose connection was lost a moment ago; at most 100. ``total`` counts all."""
        return self._async.members

    @property
    def status(self) -> str:
        """The ``state`` of the client; ``"closed"`` also after the room was left or lost."""
        return self._async.status

    @property
    def state(self) -> SharedState:
        """The values that were emitted with ``retain``, by key: a mapping that is kept up to date."""
        return self._state

    @property
    def durable(self) -> bool | None:
        """Whether emitted events outlive the server. If they do not, a `NotDurable` warning says so in the cell."""
        return self._async.durable

    @property
    def missed_count(self) -> int:
        """The number of events that `missed` returns, without reading them."""
        return self._async.missed_count

    @property
    def head(self) -> int:
        """The seq of the newest event that this client knows of; 0 in an empty room."""
        return self._async.head

    @property
    def lag(self) -> int:
        """The number of events that are not handled yet or, with a subscription, not acknowledged yet."""
        return self._async.lag

    emit = emit_blocking
    missed = blocking(AsyncRoom.missed, "Room")
    history = blocking(AsyncRoom.history, "Room")
    peek = blocking(AsyncRoom.peek, "Room")
    seek = blocking(AsyncRoom.seek, "Room")
    skip = blocking(AsyncRoom.skip, "Room")
    export = blocking(AsyncRoom.export, "Room")
    policy = blocking(AsyncRoom.policy, "Room")

    # --- handlers

    on = direct_overloaded("Room")(AsyncRoom.on)
    off = direct(AsyncRoom.off, "Room")

    @documented_by(Working.worker)
    def worker(
        self,
        group: str,
        *,
        event: str | None = None,
        key: str | None = None,
        max_in_flight: int | None = None,
        tries: int = 5,
        ack_wait: float | None = None,
        start: Start = "first",
        output: object = None,
    ) -> Callable[[F], F]:
        """Register a worker; see `Working.worker`."""
        check_group(group)
        settings = {"event": event, "key": key, "tries": tries, "ack_wait": ack_wait, "start": start}

        def register(function: F) -> F:
            __tracebackhide__ = True
            self._bridge.check()
            working = self._async.working
            registered = working.register(function, group, max_in_flight, output, **settings)
            show_dead(group, self._bridge.ask(working.start(*registered)))
            return function

        return register

    failures = direct(AsyncRoom.failures, "Room")
    groups = blocking(AsyncRoom.groups, "Room")

    def group(self, name: str) -> WorkerGroup:
        """Return a worker group of the room.

        Raises
        ------
        NotJoined
            If the room has no such group.
        """
        return WorkerGroup(self._bridge.ask(self._async.group(name)), self._bridge)

    @documented_by(Working.dead_letters)
    def dead_letters(self, group: str) -> DeadLetterTable:
        """Return the dead letters of a group; see `Working.dead_letters`."""
        return DeadLetterTable(self._bridge.ask(self._async.dead_letters(group)), self._bridge)

    @overload
    def replay(self, again: Sequence[Event], /) -> int: ...
    @overload
    def replay(
        self, /, *, events: Sequence[Event] | None = None, after: int | None = None,
        since: float | datetime | None = None, until: float | datetime | None = None, speed: float = 1.0,
        max_gap: float | None = 2.0, event: str | None = None,
    ) -> Replay: ...  # fmt: skip
    @documented_by(AsyncRoom.replay)
    def replay(
        self,
        again: Sequence[Event] | None = None,
        /,
        *,
        events: Sequence[Event] | None = None,
        after: int | None = None,
        since: float | datetime | None = None,
        until: float | datetime | None = None,
        speed: float = 1.0,
        max_gap: float | None = 2.0,
        event: str | None = None,
    ) -> int | Replay:
        """Pass stored events to the handlers again; see `AsyncRoom.replay`."""
        options: dict[str, Any] = {"after": after, "since": since, "until": until, "event": event}
        options |= {"speed": speed, "max_gap": max_gap}
        self._bridge.check()
        if again is None:
            return self._async.replays.start(events, **options)
        done = self._async.replays.at_once(again, events, **options)
        return len(again) if self._membership.executor.inside() else done.result()

    def events(self, event: str | None = None, *, timeout: float | None = None) -> EventStream:
        """Return the events as they come, for a ``for`` loop.

        Parameters
        ----------
        event : str, optional
            Only events of this name.
        timeout : float, optional
            End after this number of seconds without an event.
        """
        if self._membership.executor.inside():
            raise RuntimeError("a handler cannot wait for later events of its own room: they are handled after it")
        buffer = Buffer()
        return EventStream(buffer, timeout, open_stream(self._membership, None if event == "*" else event, buffer))

    watch = direct(AsyncRoom.watch, "Room")

    # --- in a notebook

    view = views.view
    emit_form = views.emit_form
    missed_view = views.missed_view
    queue_view = views.queue_view

    def leave(self) -> None:
        """Leave the room: handled events are acknowledged, and no more events come."""
        if self._membership.gone is None:
            self._membership.workers.close_inside()  # a worker that leaves its own room is not waited for
            self._bridge.ask(self._async.leave())

    delete = blocking(AsyncRoom.delete, "Room")

    def __enter__(self) -> Room:
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()
