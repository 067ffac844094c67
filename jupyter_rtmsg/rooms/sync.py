"""The client and its rooms for code that does not await: facades of `AsyncClient` and `AsyncRoom`.

Each holds the async object that does the work, and the `Bridge` to that object's thread. `blocking` and `direct` make
the methods that only pass on a call.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeVar, overload

from jupyter_rtmsg.advice import CLIENT, ROOM, no_such_name
from jupyter_rtmsg.client.blocking import blocking, direct, documented_by
from jupyter_rtmsg.client.bridge import Bridge, Served
from jupyter_rtmsg.client.processes import refuse_copy
from jupyter_rtmsg.client.sync import Socket
from jupyter_rtmsg.client.transport import TRANSPORTS
from jupyter_rtmsg.errors import RtmsgError
from jupyter_rtmsg.event import Event

from . import card
from .async_client import AsyncClient
from .async_room import AsyncRoom
from .hello import Hello
from .members import Member, MemberList
from .misuse import emit_like_this, explained, join_like_this
from .outbox import Publish
from .receipt import Receipt
from .stream import Buffer, EventStream, open_stream

F = TypeVar("F", bound=Callable[..., Any])
_SMALL = 64 * 1024  # bytes; larger events wait for their place in the queue, so that its limit in bytes holds


class Client:
    """A connection to a hub, and the rooms joined over it. `connect` makes one.

    The parameters are those of `AsyncClient`.

    Attributes
    ----------
    socket : Socket
        The plain Socket.IO client below.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        name: str | None = None,
        timeout: float = 10.0,
        tls: ssl.SSLContext | None = None,
        transports: Sequence[str] = TRANSPORTS,
        durable: bool = False,
    ) -> None:
        self._bridge = Bridge()
        try:
            inner = self._async = AsyncClient(
                url,
                token,
                name=name,
                timeout=timeout,
                tls=tls,
                transports=transports,
                durable=durable,
                _make_executor=self._bridge.executor,
            )
        except BaseException:
            self._bridge.close()
            raise
        io = inner.socket.io
        self._bridge.serve(Served(lambda: io.address, inner.close, lambda: io.descriptors, lambda: inner.has_handlers))
        self.socket = Socket("", _socket=inner.socket, _bridge=self._bridge)
        self._rooms: dict[AsyncRoom, Room] = {}
        self._lock = threading.Lock()  # of _rooms: any thread may join

    def __reduce__(self) -> NoReturn:
        refuse_copy(self, "connect()")

    def __repr__(self) -> str:
        return repr(self._async).replace("AsyncClient", type(self).__name__, 1)

    if not TYPE_CHECKING:

        def __getattr__(self, name):
            no_such_name(self, name, CLIENT)

    def connect(self) -> Client:
        """Connect for the first time, and stay connected until `close`.

        Raises
        ------
        AccessDenied, ServerNotFound
            At once, if the token is refused, or the server has no hub.
        ServerUnreachable
            If the server does not answer within the timeout.
        """
        try:
            self._bridge.ask(self._async.connect())
        except BaseException:
            self._bridge.close()
            raise
        self._async.notices.show(stacklevel=3)  # in the cell that called the function `connect`
        return self

    def __enter__(self) -> Client:
        return self if self.state == "connected" else self.connect()

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        """The base URL of the server."""
        return self._async.url

    @property
    def state(self) -> str:
        """``"connecting"``, ``"connected"``, ``"offline"`` or ``"closed"``."""
        return self._async.state

    @property
    def user(self) -> str | None:
        """The user that the hub authenticated; None before the first connection."""
        return self._async.user

    @property
    def hello(self) -> Hello | None:
        """The hub's description of itself and of this client, at the last connect."""
        return self._async.hello

    @property
    def durable(self) -> bool | None:
        """Whether events outlive the server; None before the first connection."""
        return self._async.durable

    require_durable = direct(AsyncClient.require_durable, "Client")
    on_state = direct(AsyncClient.on_state, "Client")
    off_state = direct(AsyncClient.off_state, "Client")

    @documented_by(AsyncClient.join)
    @explained(join_like_this)
    def join(
        self,
        room: str,
        *,
        as_: str | None = None,
        last: int | None = None,
        since: float | datetime | None = None,
        after: int | None = None,
    ) -> Room:
        """Join a room; see `AsyncClient.join`."""
        joined = self._bridge.ask(self._async.join(room, as_=as_, last=last, since=since, after=after))
        self._async.notices.show(stacklevel=3)  # in the caller of `explained`
        self._async.durability.warn_joined(room, stacklevel=3)
        with self._lock:
            self._rooms = {key: value for key, value in self._rooms.items() if key.membership.gone is None}
            return self._rooms.setdefault(joined, Room(self, joined, self._bridge, self._async))

    rooms = blocking(AsyncClient.rooms, "Client")
    subscriptions = blocking(AsyncClient.subscriptions, "Client")
    unsubscribe = blocking(AsyncClient.unsubscribe, "Client")

    def is_beside(self, other: Client) -> bool:
        """Return whether another client of this user is connected to the same hub, which this one asks."""
        return self._bridge.ask(self._async.is_beside(other._async))

    @property
    def descriptors(self) -> list[int]:
        """The file descriptors of the connection; an empty list without a connection."""
        return self._async.socket.descriptors

    def close(self, timeout: float = 5.0) -> None:
        """Handle what was received, store what was emitted, acknowledge, leave all rooms and disconnect.

        Parameters
        ----------
        timeout : float
            Seconds for handlers to finish, and for the hub to store what is queued, which has at least two seconds. A
            handler may close its own client; it is then the last handler that runs.
        """
        self._bridge.close(timeout)


class Room:
    """A room: a named, ordered log of events, and its present members. `Client.join` makes one.

    Attributes
    ----------
    client : Client
        The client that joined the room.
    """

    def __init__(self, client: Client, room: AsyncRoom, bridge: Bridge, inner: AsyncClient) -> None:
        self.client = client
        self._async = room
        self._bridge = bridge
        self._membership = room.membership
        self._commands = inner.commands
        self._outbox = inner.outbox
        self._durability = inner.durability

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
    def subscription(self) -> str | None:
        """The name under which the hub keeps this reader's cursor; None if it keeps none."""
        return self._async.subscription

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
    def state(self) -> str:
        """The ``state`` of the client; ``"closed"`` also after the room was left or lost."""
        return self._async.state

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
    @documented_by(AsyncRoom.emit)
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
        """Emit an event; see `AsyncRoom.emit`."""
        self._bridge.check()
        self._membership.check()
        publish = self._outbox.draft(self._membership.room, event, data, id=id, volatile=volatile, expect=expect)
        receipt = self._put(publish, timeout, again=id is not None)
        outcome: int | Receipt | None = receipt
        if wait:
            self._bridge.check_server()
            outcome = self._wait(receipt, timeout)
        self._durability.warn_emitted(self._membership.room, stacklevel=3)  # in the caller of `explained`
        return outcome

    def _put(self, publish: Publish, timeout: float, *, again: bool) -> Receipt:
        if again or publish.size > _SMALL or not self._outbox.fits(publish.size):
            return self._bridge.ask(self._outbox.put(publish, timeout))
        self._outbox.hand_in(publish)  # the same, without waiting for the I/O thread
        return publish.receipt

    def _wait(self, receipt: Receipt, timeout: float) -> int | None:
        __tracebackhide__ = True  # IPython leaves this frame out
        try:
            return receipt.result(timeout)
        except RtmsgError as error:
            raise error.with_traceback(None) from None

    # --- reading back

    missed = blocking(AsyncRoom.missed, "Room")
    history = blocking(AsyncRoom.history, "Room")

    # --- handlers

    @overload
    def on(self, event: F, /) -> F: ...
    @overload
    def on(self, event: str | None = None, /, *, replay: bool = True, output: object = None) -> Callable[[F], F]: ...
    @overload
    def on(self, event: str | None, function: F, /, *, replay: bool = True, output: object = None) -> F: ...
    def on(self, event: Any = None, function: Any = None, /, *, replay: bool = True, output: Any = None) -> Any:
        """Register a handler for the events of a name: as a decorator, or with the function as an argument.

        Handlers run on a thread of the room, in order, one event at a time, and print below the cell that registered
        them. They may emit and wait. Async functions run on an event loop of their own. A cell that runs again replaces
        the handlers that it registered before: see docs/client.md, Handlers and cells.

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
        return self._async.on(event, function, replay=replay, output=output)

    off = direct(AsyncRoom.off, "Room")

    def replay(self, events: Sequence[Event]) -> int:
        """Pass stored events to the handlers again, marked as replay, and return their number.

        It returns when they have been handled. Called by a handler, it returns at once, and they are handled after it.
        """
        self._bridge.check()
        done = self._async.start_replay(events)
        return len(events) if self._membership.executor.inside() else done.result()

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

    def leave(self) -> None:
        """Leave the room: handled events are acknowledged, and no more events come."""
        if self._membership.gone is None:
            self._bridge.ask(self._async.leave())

    delete = blocking(AsyncRoom.delete, "Room")

    def __enter__(self) -> Room:
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()
