"""A room, for code that does not await."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeVar, overload

from jupyter_rtmsg.advice import ROOM, no_such_name
from jupyter_rtmsg.client.bridge import Bridge
from jupyter_rtmsg.client.processes import refuse_copy
from jupyter_rtmsg.errors import RtmsgError
from jupyter_rtmsg.event import Event

from . import card
from .async_room import AsyncRoom
from .events import Events
from .member_list import MemberList
from .members import Member
from .publish import Publish, draft
from .receipt import Receipt
from .stream import Buffer, EventStream, open_stream
from .wrong_calls import emit_like_this, explained, history_like_this

if TYPE_CHECKING:
    from .sync import Client

_SMALL = 64 * 1024  # bytes: more of it than a queue may hold could be handed in before the other thread looks
F = TypeVar("F", bound=Callable[..., Any])


class Room:
    """A room: a named, ordered log, and who is in it now. Made by `Client.join`.

    Attributes
    ----------
    client : Client
        The client that joined it.
    """

    def __init__(self, client: Client, room: AsyncRoom, bridge: Bridge) -> None:
        self.client = client
        self._async = room
        self._outbox = room.client.outbox
        self._durability = room.client.durability
        self._bridge = bridge

    def __reduce__(self) -> NoReturn:
        refuse_copy(self, f"connect().join({self.name!r})")

    def __repr__(self) -> str:
        return card.text(type(self).__name__, self._async.membership)

    def _repr_html_(self) -> str:
        try:
            self._async.membership.check()
            newest = self._bridge.ask(card.newest(self._async.client.commands, self._async.membership))
        except (RtmsgError, RuntimeError, TimeoutError):  # left, offline, forked, or on the thread that does the I/O
            return self._async._repr_html_()
        return card.html(self._async.membership, newest, complete=True, kept=self._durability.described())

    if not TYPE_CHECKING:

        def __getattr__(self, name):
            no_such_name(self, name, ROOM)

    @property
    def name(self) -> str:
        """The room's name."""
        return self._async.name

    @property
    def subscription(self) -> str | None:
        """The name under which the hub remembers how far this reader has come; without one it does not."""
        return self._async.subscription

    @property
    def me(self) -> Member | None:
        """Who this client is among the members.

        In a room so large that this client is not listed, only ``member`` and ``user`` are known.
        """
        return self._async.me

    @property
    def members(self) -> MemberList:
        """Who is here now, or was a moment ago: a sequence of `Member`. A large room's is cut at 100, see ``total``."""
        return self._async.members

    @property
    def state(self) -> str:
        """The client's ``state``; ``"closed"``, too, once the room was left or lost."""
        return self._async.state

    @property
    def durable(self) -> bool | None:
        """Whether what is emitted outlives the server; `NotDurable` warnings say so in the cell if it does not."""
        return self._async.durable

    @property
    def missed_count(self) -> int:
        """How many events `missed` returns, without reading them."""
        return self._async.missed_count

    @property
    def head(self) -> int:
        """The seq of the newest event that this client knows of; 0 in an empty room."""
        return self._async.head

    @property
    def lag(self) -> int:
        """How many events are still to be handled, and to be acknowledged where there is a subscription.

        0 means that nothing known to this client would come again if its process were killed now.
        """
        return self._async.lag

    # --- emitting

    @overload
    def emit(
        self, event: str, data: Any = None, *, id: str | None = None, volatile: bool = False,
        expect: int | None = None, wait: Literal[True] = True, timeout: float = 10.0,
    ) -> int | None: ...  # fmt: skip
    @overload
    def emit(
        self, event: str, data: Any = None, *, id: str | None = None, volatile: bool = False,
        expect: int | None = None, wait: Literal[False], timeout: float = 10.0,
    ) -> Receipt: ...  # fmt: skip
    @explained(emit_like_this)
    def emit(
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
            Wait until it is stored; else return a `Receipt` at once, so that many can be under way.
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
        self._bridge.check()
        self._async.membership.check()
        key = id if id is not None else self._outbox.new_id()
        publish = draft(self.name, event, data, key, auto=id is None, volatile=volatile, expect=expect)
        self._outbox.check(publish)
        receipt = self._put(publish, timeout, again=id is not None)
        outcome: int | Receipt | None = receipt
        if wait:
            self._bridge.check_server()
            outcome = self._wait(receipt, timeout)
        self._durability.warn_emitted(self.name, stacklevel=3)  # of the caller of `explained`
        return outcome

    def _put(self, publish: Publish, timeout: float, *, again: bool) -> Receipt:
        if again or publish.size > _SMALL or not self._outbox.fits(publish.size):
            return self._bridge.ask(self._outbox.put(publish, timeout))
        self._outbox.hand_in(publish)  # as good, without waiting for the other thread
        return publish.receipt

    def _wait(self, receipt: Receipt, timeout: float) -> int | None:
        __tracebackhide__ = True  # IPython leaves this frame out
        try:
            return receipt.result(timeout)
        except RtmsgError as error:
            raise error.with_traceback(None) from None

    # --- reading back

    def missed(self) -> Events:
        """Return what happened while this reader was away.

        That is what the room held after the subscription's cursor when this client joined: it stays the same while the
        room is joined, and is empty at the first join ever. Without a subscription (a script that gave no ``as_``)
        it holds what the join asked for by ``last``, ``since`` or ``after``, and nothing if it asked for nothing.
        """
        return self._bridge.ask(self._async.missed())

    @explained(history_like_this)
    def history(
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
        event, sender : str, optional
            Only events of this name, or of this user.
        limit : int, optional
            At most so many from the beginning; without it everything that is held.
        """
        return self._bridge.ask(
            self._async.history(
                last=last, after=after, before=before, since=since, event=event, sender=sender, limit=limit
            )
        )

    # --- handlers

    @overload
    def on(self, event: F, /) -> F: ...
    @overload
    def on(self, event: str | None = None, /, *, replay: bool = True, output: object = None) -> Callable[[F], F]: ...
    @overload
    def on(self, event: str | None, function: F, /, *, replay: bool = True, output: object = None) -> F: ...
    def on(self, event: Any = None, function: Any = None, /, *, replay: bool = True, output: Any = None) -> Any:
        """Have a function called with every `Event` of a name; a decorator, or with the function given.

        It runs on a thread of the room, in order, one event at a time, and prints below the cell that registered it; it
        may emit and wait. Async functions run on a loop of their own. A cell that runs again replaces the handlers that
        it registered before: see docs/client.md, Handlers and cells.

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
        if function is None:
            return self._async.on(event, replay=replay, output=output)
        return self._async.on(event, function, replay=replay, output=output)

    def off(self, event: str | None = None, function: Callable[..., Any] | None = None) -> None:
        """Undo `on`: for one event and function, for all functions of an event, or for all."""
        self._async.off(event, function)

    def replay(self, events: Sequence[Event]) -> int:
        """Hand stored events to the handlers again, marked as replay, and return how many there were.

        Returns when they have been handled; called from within a handler, at once: they are handled after it.
        """
        self._bridge.check()
        done = self._async.start_replay(events)
        return len(events) if self._async.membership.lane.inside() else done.result()

    def events(self, event: str | None = None, *, timeout: float | None = None) -> EventStream:
        """Return the events as they come, for a ``for`` loop.

        Parameters
        ----------
        event : str, optional
            Only events of this name.
        timeout : float, optional
            End after so many seconds without one.
        """
        if self._async.membership.lane.inside():
            raise RuntimeError("a handler cannot wait for later events of its own room: they come after it")
        buffer = Buffer()
        name = None if event == "*" else event
        return EventStream(buffer, timeout, open_stream(self._async.membership, name, buffer))

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
        self._async.membership.check()
        return self._async.membership.watchers.add(function)

    # --- the end

    def leave(self) -> None:
        """Leave the room: what has been handled is acknowledged, and no more events come."""
        if self._async.membership.gone is None:
            self._bridge.ask(self._async.leave())

    def delete(self) -> int:
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
        return self._bridge.ask(self._async.delete())

    def __enter__(self) -> Room:
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()
