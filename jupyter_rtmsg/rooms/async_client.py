"""The client of a hub, for code that awaits. `sync.Client` is the same for code that does not."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar
from weakref import WeakValueDictionary

from jupyter_rtmsg.advice import CLIENT, no_such_name
from jupyter_rtmsg.client.executor import ExecutorFactory, TaskExecutor
from jupyter_rtmsg.client.processes import refuse_copy
from jupyter_rtmsg.client.socket import SocketClient
from jupyter_rtmsg.client.transport import TRANSPORTS
from jupyter_rtmsg.names import fault

from . import clientcard
from .async_room import AsyncRoom
from .commands import Commands
from .connection import HubConnection
from .decoding import Era
from .discovery import Discovery
from .hello import Hello, is_beside
from .history import milliseconds
from .misuse import awaited, check_joined, check_room, explained, join_like_this, will_fields
from .notices import Durability, Notices, add_join_notices
from .outbox import Outbox
from .overview import RoomsOverview, read_overview
from .receipt import Receipt
from .roomlist import RoomList
from .shared import Observable, SharedTrait, check_trait
from .subscriptions import SubscriptionMoves, Subscriptions, read_subscriptions

F = TypeVar("F", bound=Callable[..., Any])


class AsyncClient:
    """A connection to a hub, and the rooms joined over it.

    Parameters
    ----------
    url : str, optional
        The base URL of a Jupyter server. Without it the server is found, see `discovery`.
    token : str, optional
        Sent in a header, never in a URL.
    name : str, optional
        The name that other members see, beside the user: at most 64 characters, without control and format characters.
        In a notebook it replaces the notebook's name.
    timeout : float
        Seconds for the first connection, and for each command.
    tls : ssl.SSLContext, optional
        For ``https`` with a certificate that the system does not trust.
    transports : sequence of str
        Tried in this order: ``"websocket"`` and ``"polling"``, or one of them. See docs/client.md, Transports.
    durable : bool
        Refuse a hub that cannot keep events on disk: the first connection raises `NotDurableError`, and after a
        reconnect the client stays offline until the hub can.

    Attributes
    ----------
    notices : Notices
        Warnings that were not shown yet.
    socket : SocketClient
        The plain Socket.IO client below.

    Raises
    ------
    ServerNotFound
        If no URL is given and no server is found.

    Examples
    --------
    >>> async with AsyncClient() as hub:
    ...     lab = await hub.join("lab")
    ...     await lab.emit("metric", {"loss": 0.12})
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
        _make_executor: ExecutorFactory = TaskExecutor,
        _make_task_executor: ExecutorFactory = TaskExecutor,
    ) -> None:
        if name is not None and (wrong := fault(name) or (None if name else "is empty")):
            raise ValueError(f"name={name!r:.100} {wrong}")
        self.notices = Notices()
        self._rooms: dict[str, AsyncRoom] = {}
        self._hub = HubConnection(
            Discovery(url, token),
            name=name,
            timeout=timeout,
            tls=tls,
            transports=transports,
            durable=durable,
            make_executor=_make_executor,
            make_task_executor=_make_task_executor,
            left=lambda room: self._rooms.pop(room, None),
        )
        self.socket: SocketClient = self._hub.socket
        self.commands: Commands = self._hub.commands
        self.durability: Durability = self._hub.durability
        self._is_blocking = _make_executor is not TaskExecutor  # then the facade shows the warnings, on its thread
        self._joining: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def __reduce__(self) -> NoReturn:
        refuse_copy(self, "AsyncClient()")

    def __repr__(self) -> str:
        who = f" as {self.user}" if self.user else ""
        rooms = ", ".join(self._rooms.copy()) or "none"
        kept = ", events in memory only" if self.durable is False else ""
        return f"<{type(self).__name__} {self.url}: {self.state}{who}, rooms: {rooms:.80}{kept}>"

    def _repr_html_(self) -> str:
        joined = [room.membership for room in self._rooms.copy().values()]
        return clientcard.html(self.url, self.state, self.user, self.durability.described(), joined)

    if not TYPE_CHECKING:

        def __getattr__(self, name):
            no_such_name(self, name, CLIENT, awaited=True)

    # --- the connection

    @awaited
    async def connect(self) -> AsyncClient:
        """Connect for the first time, and stay connected until `close`.

        Raises
        ------
        AccessDenied, ServerNotFound
            At once, if the token is refused, or the server has no hub.
        ServerUnreachable
            If the server does not answer within the timeout.
        """
        await self.socket.connect(self.commands.timeout)
        if self.socket.io.notice:
            self.notices.add("server", self.socket.io.notice)
        if not self._is_blocking:
            self.notices.show(stacklevel=2)
        return self

    async def __aenter__(self) -> AsyncClient:
        return await self.connect()

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self, timeout: float = 5.0) -> None:
        """Handle what was received, store what was emitted, acknowledge, leave all rooms and disconnect.

        Parameters
        ----------
        timeout : float
            Seconds for handlers to finish, and for the hub to store what is queued, which has at least two seconds. A
            handler may close its own client; it is then the last handler that runs.
        """
        await self._hub.close(timeout)

    @property
    def url(self) -> str:
        """The base URL of the server."""
        return self.socket.io.address.url

    @property
    def state(self) -> str:
        """``"connecting"``, ``"connected"``, ``"offline"`` or ``"closed"``."""
        return self.socket.state

    def on_state(self, function: F) -> F:
        """Register a function that is called with the new state whenever it changes."""
        return self.socket.on_state(function)

    def off_state(self, function: Callable[..., Any]) -> None:
        """Remove a function that was registered by `on_state`."""
        self.socket.off_state(function)

    @property
    def user(self) -> str | None:
        """The user that the hub authenticated; None before the first connection."""
        return self._hub.user

    @property
    def hello(self) -> Hello | None:
        """The hub's description of itself and of this client, at the last connect."""
        return self._hub.hello

    @property
    def durable(self) -> bool | None:
        """Whether events outlive the server; None before the first connection."""
        return self.durability.durable

    def require_durable(self) -> None:
        """Refuse the hub if it cannot keep events on disk: now with `NotDurableError`, later by staying offline."""
        self.durability.require()

    async def is_beside(self, other: AsyncClient) -> bool:
        """Return whether another client of this user is connected to the same hub, which this one asks."""
        return await is_beside(self.commands, other._hub.client_id)

    @property
    def outbox(self) -> Outbox:
        """The queue of events to the hub."""
        return self._hub.outbox

    @property
    def has_handlers(self) -> bool:
        """Whether there are handlers or watchers."""
        return self._hub.has_handlers

    # --- rooms

    @awaited
    @explained(join_like_this)
    async def join(
        self,
        room: str,
        *,
        as_: str | None = None,
        last: int | None = None,
        since: float | datetime | None = None,
        after: int | None = None,
        first: bool = False,
        will: tuple[Any, ...] | None = None,
    ) -> AsyncRoom:
        """Join a room. If this client is in the room already, return that room.

        Without a start, reading continues after the cursor of the subscription ``as_``. In a notebook the subscription
        is that of the notebook, so nothing is missed when its kernel restarts. A script passes a name, or starts from
        now.

        Parameters
        ----------
        room : str
            1 to 128 letters and digits of any script, ``_``, ``~``, ``-`` and inner dots.
        as_ : str, optional
            The name of the subscription.
        last : int, optional
            Start with this number of newest events.
        since : float or datetime, optional
            Start with the events since this time; a float is in seconds since 1970.
        after : int, optional
            Start after this seq.
        first : bool
            Start with the oldest stored event, if the subscription does not exist yet, or there is none.
        will : tuple, optional
            What the hub emits for this client if it is lost: it has not left, and is not back 10 s after its connection
            broke. An event's name and its data, and as a third item the key, if it is to be retained.

        Raises
        ------
        BadRoom, Forbidden, LimitExceeded
            If the hub refuses. Transient refusals (`Busy`, `Full`, `DiskError`, `Shutdown`, `Internal`,
            `RateExceeded`) are retried, and raised when they last for the client's timeout.
        Disconnected
            If there is no connection within the client's timeout.
        """
        check_room(room)
        left = will_fields(will)
        lock = self._joining.get(room) or asyncio.Lock()
        self._joining[room] = lock
        async with lock:
            joined = self._rooms.get(room)
            if joined:
                check_joined(room, (joined.subscription, joined.membership.will), as_, left)
                return joined
            start = await self._start(room, last=last, since=milliseconds(since), after=after, first=first or None)
            entered = await self._join(room, as_, start, left)
        if not self._is_blocking:
            self.notices.show(stacklevel=2)
            self.durability.warn_joined(room, stacklevel=2)
        return entered

    async def _start(self, room: str, **start: int | None) -> dict[str, Any]:
        """Return the fields of a join that say where to start."""
        given: dict[str, Any] = {key: value for key, value in start.items() if value is not None}
        if len(given) > 1:
            raise ValueError(f"give one of last, since, after and first, not {' and '.join(given)}")
        if "after" in given:
            reply = await self.commands.ask_patiently("history", {"room": room, "last": 1})
            given |= Era.of(reply).fields
        return given

    async def _join(self, room: str, as_: str | None, start: dict[str, Any], will: dict[str, Any] | None) -> AsyncRoom:
        membership = await self._hub.join(room, as_, start, will)
        if membership.subscription is None and self.hello:
            add_join_notices(self.notices, room, membership.place, self.url, self.hello, asked=bool(start))
        joined = self._rooms[room] = AsyncRoom(self, membership, self.commands, self.outbox, self.durability)
        return joined

    def post(self, room: str, event: str, data: Any = None) -> Receipt:
        """Emit an event in a room that need not be joined, without waiting. Thread-safe.

        Parameters
        ----------
        room, event : str
        data : object
            JSON, with bytes anywhere inside.
        """
        check_room(room)
        publish = self.outbox.draft(room, event, data)
        self.outbox.hand_in(publish)
        return publish.receipt

    async def shared(
        self, widget: Observable, trait: str = "value", *, room: str, key: str | None = None
    ) -> SharedTrait:
        """Keep a trait of a widget equal for everybody who shares it in a room, in any kernel.

        The last writer wins. The value is the room's ``state[key]``, so it outlives the kernels, and whoever shares it
        later begins with it. At most 20 changes a second are sent, the latest one always.

        Parameters
        ----------
        widget : ipywidgets.Widget or traitlets.HasTraits
        trait : str
            Its value must be JSON, or a tuple of it.
        room : str
            Joined if this client is not in it.
        key : str, optional
            By default the name of the trait. Give one if a room has several.

        Returns
        -------
        SharedTrait
            Its method ``stop()`` ends it. So does running its cell again.
        """
        await self.join(room)
        return self.share(room, widget, trait, key).begin()

    def share(self, room: str, widget: Observable, trait: str, key: str | None) -> SharedTrait:
        """Make what keeps a trait equal in a joined room, but do not begin yet; see `shared`."""
        check_trait(widget, trait)
        membership = self._rooms[room].membership
        return SharedTrait(membership, self.outbox, self._hub.make_executor, widget, trait, key or trait)

    @awaited
    async def rooms(self) -> RoomList:
        """Return the rooms that this user may see: dicts of ``room, head, first, count, bytes, members``."""
        rooms = RoomList()
        request: dict[str, Any] = {}
        while True:
            reply = await self.commands.ask_patiently("rooms", request)
            rooms += reply["rooms"]
            if not reply.get("more"):  # a hub of version 0.1.0 sends all at once
                return rooms
            request = {"after": reply["through"]}

    async def overview(self, since: RoomsOverview | None = None) -> RoomsOverview:
        """Return what the rooms are doing, as a list of `RoomOverview` that is shown as a table.

        Parameters
        ----------
        since : RoomsOverview, optional
            An earlier one, since which the events a second are counted.
        """
        return await read_overview(self.commands, await self.rooms(), since)

    async def subscriptions(self, room: str | None = None) -> Subscriptions:
        """Return the subscriptions of this user: the cursors that the hub keeps, for each room and reader.

        A subscription ends when it was not used for 30 days, or its notebook was deleted; it is listed a day longer.

        Parameters
        ----------
        room : str, optional
            Only those of this room.

        Returns
        -------
        list
            Of objects with ``room``, ``name``, ``kind``, ``cursor``, ``head``, ``live``, ``used``, ``ended`` and
            ``expires``, and the methods ``seek`` and ``delete``; notebooks and terminals show it as a table.
        """
        return await read_subscriptions(self.commands, room, SubscriptionMoves(self.commands, self._hub.sought))

    async def unsubscribe(self, room: str, name: str) -> None:
        """Delete a subscription of this user. The next join under its name starts from now.

        Parameters
        ----------
        room, name : str
            As `subscriptions` lists them. A client that uses the subscription keeps it until it leaves.

        Raises
        ------
        NotJoined
            If there is no such subscription.
        """
        await self.commands.ask("unsubscribe", {"room": room, "as": name})
