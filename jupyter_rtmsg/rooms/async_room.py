"""A room, for code that awaits. `room` gives the same to code that does not."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeVar, overload

from jupyter_rtmsg.advice import ROOM, no_such_name
from jupyter_rtmsg.client.handlers import Handler
from jupyter_rtmsg.client.processes import refuse_copy
from jupyter_rtmsg.event import Event

from . import card
from .awaited import awaited
from .events import Events
from .history import milliseconds, read_history
from .member_list import MemberList
from .members import Member
from .membership import Membership
from .publish import draft
from .receipt import Receipt
from .stream import AsyncBuffer, AsyncEventStream, open_stream
from .wrong_calls import check_event, check_handler, emit_like_this, explained, history_like_this

if TYPE_CHECKING:
    from .async_client import AsyncClient

F = TypeVar("F", bound=Callable[..., Any])


class AsyncRoom:
    """A room: a named, ordered log, and who is in it now. Made by `AsyncClient.join`.

    Attributes
    ----------
    client : AsyncClient
        The client that joined it.
    """

    def __init__(self, client: AsyncClient, membership: Membership) -> None:
        self.client = client
        self.membership = membership
        self._outbox = client.outbox
        self._commands = client.commands
        self._missed: Events | None = None

    def __reduce__(self) -> NoReturn:
        refuse_copy(self, f"join({self.name!r}) of a client of its own")

    def __repr__(self) -> str:
        return card.text(type(self).__name__, self.membership)

    def _repr_html_(self) -> str:
        newest = Events(self.membership.watchers.latest(), self.membership.user)
        return card.html(self.membership, newest, complete=False, kept=self.client.durability.described())

    if not TYPE_CHECKING:

        def __getattr__(self, name):
            no_such_name(self, name, ROOM, awaited=True)

    @property
    def name(self) -> str:
        """The room's name."""
        return self.membership.room

    @property
    def subscription(self) -> str | None:
        """The name under which the hub remembers how far this reader has come; without one it does not."""
        return self.membership.subscription

    @property
    def me(self) -> Member | None:
        """Who this client is among the members.

        In a room so large that this client is not listed, only ``member`` and ``user`` are known.
        """
        return self.membership.me

    @property
    def members(self) -> MemberList:
        """Who is here now, or was a moment ago: a sequence of `Member`. A large room's is cut at 100, see ``total``."""
        membership = self.membership
        return MemberList(membership.members.all(), membership.members.count, membership.member, membership.user)

    @property
    def state(self) -> str:
        """The client's ``state``; ``"closed"``, too, once the room was left or lost."""
        return self.membership.state

    @property
    def durable(self) -> bool | None:
        """Whether what is emitted outlives the server; `NotDurable` warnings say so in the cell if it does not."""
        return self.client.durable

    @property
    def missed_count(self) -> int:
        """How many events `missed` returns, without reading them."""
        return self.membership.resumption.missed_count

    @property
    def head(self) -> int:
        """The seq of the newest event that this client knows of; 0 in an empty room."""
        return self.membership.head

    @property
    def lag(self) -> int:
        """How many events are still to be handled, and to be acknowledged where there is a subscription.

        0 means that nothing known to this client would come again if its process were killed now.
        """
        return self.membership.lag

    # --- emitting

    @overload
    async def emit(
        self, event: str, data: Any = None, *, id: str | None = None, volatile: bool = False,
        expect: int | None = None, wait: Literal[True] = True, timeout: float = 10.0,
    ) -> int | None: ...  # fmt: skip
    @overload
    async def emit(
        self, event: str, data: Any = None, *, id: str | None = None, volatile: bool = False,
        expect: int | None = None, wait: Literal[False], timeout: float = 10.0,
    ) -> Receipt: ...  # fmt: skip
    @awaited
    @explained(emit_like_this)
    async def emit(
        self,
        event: str,
        data: Any = None,
        *,
        id: str | None = None,
        volatile: bool = False,
        expect: int | None = None,
        wait: bool = True,
        timeout: float = 10.0,
    ) -> int | Receipt | None:
        """Emit an event to everyone in the room, this client included.

        Parameters
        ----------
        event : str
            Its name: 1 to 128 characters, none of Socket.IO's own, and not starting with ``$``.
        data : object
            JSON, with bytes anywhere inside.
        id : str, optional
            The event is stored once, whatever client or process of this user emits it with this id within a day. Tell
            the runs of a program apart in it: f"{run}-{step}".
        volatile : bool
            Only for those who are there now: it is not stored and may be lost.
        expect : int, optional
            Store only if the room's head is this seq.
        wait : bool
            Wait until it is stored; else return a `Receipt` at once.
        timeout : float
            Seconds.

        Returns
        -------
        int or None or Receipt
            The seq of the event; None for a volatile one.

        Raises
        ------
        NotJSON, TooLarge, BadEvent, ReservedEvent
            At once, if it cannot be sent.
        EmitTimeout
            If the hub does not acknowledge in time; the event stays queued and may still be stored.
        QueueFull
            If too many events wait already.
        IdConflict
            If the id belongs to another event of this user in the room.
        CommandError
            If the hub refuses it.
        """
        self.membership.check()
        key = id if id is not None else self._outbox.new_id()
        publish = draft(self.name, event, data, key, auto=id is None, volatile=volatile, expect=expect)
        self._outbox.check(publish)
        receipt = await self._outbox.put(publish, timeout)
        outcome = await receipt.wait(timeout) if wait else receipt
        self.client.durability.warn_emitted(self.name, stacklevel=2)
        return outcome

    # --- reading back

    @awaited
    async def missed(self) -> Events:
        """Return what happened while this reader was away.

        That is what the room held after the subscription's cursor when this client joined: it stays the same while the
        room is joined, and is empty at the first join ever. Without a subscription (a script that gave no ``as_``)
        it holds what the join asked for by ``last``, ``since`` or ``after``, and nothing if it asked for nothing.
        What is no longer held is counted in ``trimmed`` of the result.
        """
        resumption = self.membership.resumption
        if resumption.missed is None:
            return Events()
        if self._missed is None:
            after, head = resumption.missed
            events = await self._read(after=after, before=head + 1, **resumption.missed_era.fields)
            self._missed = Events(events, self.membership.user, resumption.trimmed(len(events)))
        return self._missed

    async def _read(self, **wanted: Any) -> Events:
        return await read_history(self._commands.ask_patiently, self.name, you=self.membership.user, **wanted)

    @awaited
    @explained(history_like_this)
    async def history(
        self,
        *,
        last: int | None = None,
        after: int | None = None,
        before: int | None = None,
        since: float | datetime | None = None,
        event: str | None = None,
        sender: str | None = None,
        limit: int | None = None,
    ) -> Events:
        """Read the room's log. Nothing is handled or acknowledged by it.

        Parameters
        ----------
        last : int, optional
            The last so many.
        after, before : int, optional
            Positions (seq), both exclusive.
        since : float or datetime, optional
            Seconds since 1970.
        event : str, optional
            Only events of this name.
        sender : str, optional
            Only events whose sender has this name, user, or path of its notebook.
        limit : int, optional
            At most so many from the beginning; without it everything that is held.
        """
        wanted = {"after": after, "before": before, "since": milliseconds(since), "event": event, "sender": sender}
        return await self._read(last=last, limit=limit, **wanted)

    # --- handlers

    @overload
    def on(self, event: F, /) -> F: ...
    @overload
    def on(self, event: str | None = None, /, *, replay: bool = True, output: object = None) -> Callable[[F], F]: ...
    @overload
    def on(self, event: str | None, function: F, /, *, replay: bool = True, output: object = None) -> F: ...
    def on(self, event: Any = None, function: Any = None, /, *, replay: bool = True, output: Any = None) -> Any:
        """Have a function called with every `Event` of a name; a decorator, or with the function given.

        It runs in the context of the cell that registered it, in order, one event at a time per room. A cell that runs
        again replaces the handlers that it registered before: see docs/client.md, Handlers and cells.

        Parameters
        ----------
        event : str, optional
            The event's name; ``"*"`` or nothing for all. ``"$presence"``, ``"$reset"``, ``"$taken"`` and
            ``"$deleted"`` are the hub's.
        function : callable, optional
            Sync or async; gets one `Event`.
        replay : bool
            False leaves out what happened before the room was joined.
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
        """Undo `on`: for one event and function, for all functions of an event, or for all."""
        self.membership.handlers.remove(_name(event), function)

    @awaited
    async def replay(self, events: Sequence[Event]) -> int:
        """Hand stored events to the handlers again, marked as replay, and return how many there were.

        Returns when they have been handled; called from within a handler, at once: they are handled after it.
        """
        self._commands.check_loop()
        done = self.start_replay(events)
        return len(events) if self.membership.lane.inside() else await asyncio.wrap_future(done)

    def start_replay(self, events: Sequence[Event]) -> concurrent.futures.Future[int]:
        """Do the same without waiting; the future gives the number. Any thread may."""
        return self.membership.replay([replace(event, replay=True) for event in events])

    def events(self, event: str | None = None, *, timeout: float | None = None) -> AsyncEventStream:
        """Return the events as they come, for ``async for``.

        Parameters
        ----------
        event : str, optional
            Only events of this name.
        timeout : float, optional
            End after so many seconds without one.
        """
        self._commands.check_loop()
        buffer = AsyncBuffer()
        return AsyncEventStream(buffer, timeout, open_stream(self.membership, _name(event), buffer))

    def watch(self, function: Callable[[Event], object]) -> Callable[[], None]:
        """Have a function look on as events arrive, handled or not; return what ends that.

        It is for views: it starts nothing, acknowledges nothing and is called on a thread of the client, where it must
        not wait. `on` is for everything else. Beside the hub's own events it sees ``"$state"``, when the connection is
        lost or back, and ``"$left"`` with a ``reason``, the last one.

        Raises
        ------
        NotJoined
            If the room was left or lost.
        """
        self.membership.check()
        return self.membership.watchers.add(function)

    # --- the end

    async def leave(self) -> None:
        """Leave the room: what has been handled is acknowledged, and no more events come."""
        await self.membership.leave()

    @awaited
    async def delete(self) -> int:
        """Delete the room for everybody, with all that it holds: events, and how far its readers have come.

        Its members are out, and their handlers get ``"$deleted"``. Whoever made the room may delete it, and whose
        server it is. A room that is joined again under the name begins empty.

        Returns
        -------
        int
            How many events that were.

        Raises
        ------
        Forbidden
            If this user may not.
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
