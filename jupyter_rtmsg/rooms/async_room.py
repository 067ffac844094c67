"""A room, for code that awaits. `room.Room` is the same for code that does not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, TypeVar, overload

from jupyter_rtmsg.advice import ROOM, no_such_name
from jupyter_rtmsg.client.blocking import delegated
from jupyter_rtmsg.client.handlers import Handler
from jupyter_rtmsg.client.processes import refuse_copy
from jupyter_rtmsg.event import Event

from . import card
from .commands import Commands
from .emitting import emit_awaited
from .export import Exporting
from .history import Events
from .members import Member, MemberList
from .membership import Membership
from .misuse import awaited, check_event, check_handler
from .notices import Durability
from .outbox import Outbox
from .policy import Policies
from .reading import Reading
from .replay import Replay, Replays
from .state import AsyncSharedState
from .stream import AsyncBuffer, AsyncEventStream, open_stream
from .subscription import AsyncRoomSubscription, ReaderPlace
from .working import Working

F = TypeVar("F", bound=Callable[..., Any])


class RoomClient(Protocol):
    """The client of a room, an `AsyncClient`, as far as the room's user needs it."""

    @property
    def url(self) -> str:
        """The base URL of the server."""

    @property
    def state(self) -> str:
        """The state of the connection."""

    def join(self, room: str, *, as_: str | None = None) -> Coroutine[Any, Any, AsyncRoom]:
        """Join another room."""

    async def close(self, timeout: float = 5.0) -> None:
        """Leave all rooms and disconnect."""


class AsyncRoom:
    """A room: a named, ordered log of events, and its present members. `AsyncClient.join` makes one.

    Attributes
    ----------
    client : AsyncClient
        The client that joined the room.
    """

    def __init__(
        self, client: RoomClient, membership: Membership, commands: Commands, outbox: Outbox, durability: Durability
    ) -> None:
        self.client = client
        self.membership = membership
        self._commands = commands
        self._outbox = outbox
        self._durability = durability
        self._reading = Reading(membership, commands)
        self.replays = Replays(membership, commands)
        self._place = ReaderPlace(membership, commands)
        self._state = AsyncSharedState(membership, self.emit)
        self._exporting = Exporting(membership, commands)
        self._policies = Policies(membership, commands)
        self.working = Working(membership, commands)

    def __reduce__(self) -> NoReturn:
        refuse_copy(self, f"join({self.name!r}) of a client of its own")

    def __repr__(self) -> str:
        return card.text(type(self).__name__, self.membership)

    def _repr_html_(self) -> str:
        newest = Events(self.membership.watchers.latest(), self.membership.user)
        return card.html(self.membership, newest, complete=False, kept=self._durability.described())

    if not TYPE_CHECKING:

        def __getattr__(self, name):
            no_such_name(self, name, ROOM, awaited=True)

    @property
    def name(self) -> str:
        """The room's name."""
        return self.membership.room

    @property
    def subscription(self) -> AsyncRoomSubscription | None:
        """The subscription in which the hub keeps this reader's place: its name, a str; None if there is none."""
        name = self.membership.subscription
        return None if name is None else AsyncRoomSubscription(name, self._place)

    @property
    def me(self) -> Member | None:
        """The member that is this client.

        In a large room that does not list this client, only its ``member`` and ``user`` are known.
        """
        return self.membership.me

    @property
    def members(self) -> MemberList:
        """The members, with those whose connection was lost a moment ago; at most 100. ``total`` counts all."""
        return self.membership.member_list

    @property
    def status(self) -> str:
        """The ``state`` of the client; ``"closed"`` also after the room was left or lost."""
        return self.membership.state

    @property
    def state(self) -> AsyncSharedState:
        """The values that were emitted with ``retain``, by key: a mapping that is kept up to date."""
        return self._state

    @property
    def durable(self) -> bool | None:
        """Whether emitted events outlive the server. If they do not, a `NotDurable` warning says so in the cell."""
        return self._durability.durable

    @property
    def missed_count(self) -> int:
        """The number of events that `missed` returns, without reading them."""
        return self.membership.resumption.missed_count

    @property
    def head(self) -> int:
        """The seq of the newest event that this client knows of; 0 in an empty room."""
        return self.membership.head

    @property
    def lag(self) -> int:
        """The number of events that are not handled yet or, with a subscription, not acknowledged yet.

        0 means that no event known to this client would come again if its process were killed now.
        """
        return self.membership.lag

    emit = emit_awaited
    missed = delegated(Reading.missed, "_reading", "AsyncRoom")
    history = delegated(Reading.history, "_reading", "AsyncRoom")
    peek = delegated(ReaderPlace.peek, "_place", "AsyncRoom")
    seek = delegated(ReaderPlace.seek, "_place", "AsyncRoom")
    skip = delegated(ReaderPlace.skip, "_place", "AsyncRoom")
    export = delegated(Exporting.export, "_exporting", "AsyncRoom")
    policy = delegated(Policies.policy, "_policies", "AsyncRoom")

    # --- handlers

    @overload
    def on(self, event: F, /) -> F: ...
    @overload
    def on(self, event: str | None = None, /, *, replay: bool = True, output: object = None) -> Callable[[F], F]: ...
    @overload
    def on(self, event: str | None, function: F, /, *, replay: bool = True, output: object = None) -> F: ...
    def on(self, event: Any = None, function: Any = None, /, *, replay: bool = True, output: Any = None) -> Any:
        """Register a handler for the events of a name: as a decorator, or with the function as an argument.

        Handlers run in order, one event at a time per room, and print below the cell that registered them. They may
        emit and wait. Those of a `Room` run on a thread of the room, and async functions on an event loop of their own.
        A cell that runs again replaces the handlers that it registered before: see docs/client.md, Handlers and cells.

        Parameters
        ----------
        event : str, optional
            The event's name; ``"*"`` or nothing for all. ``"$presence"``, ``"$reset"``, ``"$taken"`` and
            ``"$deleted"`` are events of the hub.
        function : callable, optional
            Sync or async; gets one `Event`.
        replay : bool
            False leaves out the events from before the room was joined.
        output : ipywidgets.Output or IPython.display.DisplayHandle, optional
            Shows what the function prints and displays, instead of the cell: see docs/client.md, Output.
        """
        if callable(event):
            event, function = None, event
        check_event(event)
        if function is None:
            return lambda function: self.on(event, function, replay=replay, output=output)
        check_handler(function)
        self.membership.register(Handler(function, _name(event), replay=replay, output=output))
        return function

    def off(self, event: str | None = None, function: Callable[..., Any] | None = None) -> None:
        """Remove handlers: the given function of an event, all functions of an event, or all handlers.

        Without an event, the workers with the given function are removed, too, or all of them.
        """
        self.membership.handlers.remove(_name(event), function)
        if event is None:
            self.membership.workers.remove(function)

    worker = delegated(Working.worker, "working", "AsyncRoom")
    failures = delegated(Working.failures, "working", "AsyncRoom")
    groups = delegated(Working.groups, "working", "AsyncRoom")
    group = delegated(Working.group, "working", "AsyncRoom")
    dead_letters = delegated(Working.dead_letters, "working", "AsyncRoom")

    @overload
    def replay(self, again: Sequence[Event], /) -> Coroutine[Any, Any, int]: ...
    @overload
    def replay(
        self, /, *, events: Sequence[Event] | None = None, after: int | None = None,
        since: float | datetime | None = None, until: float | datetime | None = None, speed: float = 1.0,
        max_gap: float | None = 2.0, event: str | None = None,
    ) -> Replay: ...  # fmt: skip
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
    ) -> Coroutine[Any, Any, int] | Replay:
        """Pass stored events to the handlers again, marked as replay. The subscription is not moved.

        ``replay(events)`` passes them on at once, waits until they have been handled, and returns their number. Called
        by a handler, it returns at once, and they are handled after it. With options, a `Replay` is returned at once,
        which passes them on at the pace at which they were emitted. Live events go first. Handlers with
        ``replay=False`` are left out.

        Parameters
        ----------
        again : sequence of Event, optional
            For a replay at once.
        events : sequence of Event, optional
            For a replay with options.
        after : int, optional
            Replay the stored events after this seq, up to the newest of now. They are read page by page.
        since : float or datetime, optional
            The same for those since this time; a float is in seconds since 1970.
        until : float or datetime, optional
            End before the first event that is later.
        speed : float
            1.0 is the original pace, 2.0 twice as fast; 0 makes no pauses.
        max_gap : float, optional
            The longest pause, in seconds; None for no limit.
        event : str, optional
            Only events of this name.

        Returns
        -------
        int or Replay
        """
        options: dict[str, Any] = {"after": after, "since": since, "until": until, "event": event}
        options |= {"speed": speed, "max_gap": max_gap}
        self._commands.check_loop()
        if again is None:
            return self.replays.start(events, **options)
        return self._replay_at_once(again, {"events": events, **options})

    @awaited
    async def _replay_at_once(self, again: Sequence[Event], options: dict[str, Any]) -> int:
        done = self.replays.at_once(again, **options)
        return len(again) if self.membership.executor.inside() else await asyncio.wrap_future(done)

    def events(self, event: str | None = None, *, timeout: float | None = None) -> AsyncEventStream:
        """Return the events as they come, for ``async for``.

        Parameters
        ----------
        event : str, optional
            Only events of this name.
        timeout : float, optional
            End after this number of seconds without an event.
        """
        self._commands.check_loop()
        buffer = AsyncBuffer()
        return AsyncEventStream(buffer, timeout, open_stream(self.membership, _name(event), buffer))

    def watch(self, function: Callable[[Event], object]) -> Callable[[], None]:
        """Register an observer: a function that sees events as they arrive, whether or not they are handled.

        It is for views. It neither starts the handlers nor acknowledges, and runs on the I/O thread of a `Client`,
        where it must not wait; for everything else use `on`. Besides the hub's own events it sees ``"$state"``, when
        the connection is lost or restored, and as the last one ``"$left"`` with a ``reason``.

        Parameters
        ----------
        function : callable
            Gets one `Event`.

        Returns
        -------
        callable
            Removes the observer.

        Raises
        ------
        NotJoined
            If the room was left or lost.
        """
        self.membership.check()
        return self.membership.watchers.add(function)

    # --- the end

    async def leave(self) -> None:
        """Leave the room: handled events are acknowledged, and no more events come."""
        await self.membership.leave()

    @awaited
    async def delete(self) -> int:
        """Delete the room for everybody: its events and the cursors of its readers.

        All members leave, and their handlers get ``"$deleted"``. The user who created the room may delete it, and the
        owner of the server. Joining under the name again creates an empty room.

        Returns
        -------
        int
            The number of deleted events.

        Raises
        ------
        Forbidden
            If this user may not delete it.
        """
        self.membership.check()
        reply = await self._commands.ask("delete", {"room": self.name})
        self.membership.deleted(self.membership.user or "this client")
        return int(reply["deleted"])

    async def __aenter__(self) -> AsyncRoom:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.leave()


def _name(event: str | None) -> str | None:
    return None if event == "*" else event
