"""The client of a hub, for code that awaits. `sync` gives the same to code that does not."""

from __future__ import annotations

import asyncio
import ssl
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar
from weakref import WeakValueDictionary

from jupyter_rtmsg.advice import CLIENT, no_such_name
from jupyter_rtmsg.client.executor import ExecutorFactory, TaskExecutor
from jupyter_rtmsg.client.processes import refuse_copy
from jupyter_rtmsg.client.transport import TRANSPORTS
from jupyter_rtmsg.displayname import fault
from jupyter_rtmsg.errors import Disconnected

from .async_room import AsyncRoom
from .awaited import awaited
from .commands import Commands
from .discovery import Discovery
from .durability import Durability
from .hello import Hello, is_beside, say_hello
from .history import milliseconds
from .hub_socket import HubSocket
from .incoming import Incoming
from .membership import Membership
from .notices import Notices, add_join_notices
from .outbox import Outbox
from .place import Era
from .subscriptions import Subscriptions, read_subscriptions
from .wrong_calls import check_room, explained, join_like_this

F = TypeVar("F", bound=Callable[..., Any])
_LEAST = 0.01  # seconds that the socket's handlers have where those of rooms took all the time
_GOODBYE = 2.0  # seconds that the hub has to store what waits, and to take the last acknowledgements


class AsyncClient:
    """A connection to a hub, and the rooms joined over it.

    Parameters
    ----------
    url : str, optional
        The base URL of a Jupyter server; without it the server is found, see `discovery`.
    token : str, optional
        Sent in a header, never in a URL.
    name : str, optional
        Shown to the others, beside the user: at most 64 characters, none of them control or format characters.
        In a notebook it takes the place of the notebook's name.
    timeout : float
        Seconds that the first connection, and every command, may take.
    tls : ssl.SSLContext, optional
        For ``https`` with a certificate that the system does not know.
    transports : sequence of str
        Tried in this order: ``"websocket"`` and ``"polling"``, or one of them. See docs/client.md, Transports.
    durable : bool
        Refuse a hub that cannot keep events on disk: the first connection raises `NotDurableError`, and after a
        reconnect the client stays offline until the hub can.

    Attributes
    ----------
    user : str or None
        Who the hub takes this client for: known once it is connected.
    hello : Hello or None
        What the hub said of itself at the last connect.
    notices : Notices
        What is still to be said to the user.
    socket : SocketClient
        The plain Socket.IO client beneath.

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
    ) -> None:
        if name is not None and (wrong := fault(name) or (None if name else "is empty")):
            raise ValueError(f"name={name!r:.100} {wrong}")
        search = Discovery(url, token)
        client = uuid.uuid4().hex
        auth = {"client": client, "recovery": False, **({"name": name} if name else {})}  # rooms recover by their log
        self.user: str | None = None
        self.hello: Hello | None = None
        self.notices = Notices()
        self.durability = Durability(durable)
        self.socket = HubSocket(
            "", auth=auth, tls=tls, transports=transports, make_executor=_make_executor, _search=search
        )
        self.commands = Commands(self.socket, timeout)
        self._client = client
        self._make_executor = _make_executor
        self._rooms: dict[str, AsyncRoom] = {}
        self._memberships: dict[str, Membership] = {}
        self._incoming = Incoming(self._memberships, self.durability.told, self._renamed)
        self._joining: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()  # held by who joins
        self._outbox: Outbox | None = None

    def __reduce__(self) -> NoReturn:
        refuse_copy(self, "AsyncClient()")

    def __repr__(self) -> str:
        who = f" as {self.user}" if self.user else ""
        rooms = ", ".join(self._rooms.copy()) or "none"
        kept = ", events in memory only" if self.durable is False else ""
        return f"<{type(self).__name__} {self.url}: {self.state}{who}, rooms: {rooms:.80}{kept}>"

    if not TYPE_CHECKING:

        def __getattr__(self, name):
            no_such_name(self, name, CLIENT, awaited=True)

    @property
    def url(self) -> str:
        """The base URL of the server."""
        return self.socket.io.address.url

    # --- the connection

    @awaited
    async def connect(self) -> AsyncClient:
        """Connect for the first time, and stay connected until `close`.

        Raises
        ------
        AccessDenied, ServerNotFound
            At once, if the token is refused, or the server has no hub.
        ServerUnreachable
            If it does not answer within the timeout.
        """
        self.socket.io.check_loop()
        if self._outbox is None:
            self._begin()
        await self.socket.connect(self.commands.timeout)
        if self.socket.io.notice:
            self.notices.add("server", self.socket.io.notice)
        if self._make_executor is TaskExecutor:
            self.notices.show(stacklevel=2)
        return self

    def _begin(self) -> None:
        self._outbox = Outbox(self.socket, self._client)
        self.socket.route = self._incoming.route
        self.socket.skip = self._incoming.skip
        self.socket.prepare = self._prepare
        self.socket.on_batch = self._incoming.end_batch
        self.socket.on_writable = self.outbox.pump
        self.socket.on_lost = self.outbox.lost
        self.socket.on_changed = self._tell_state

    async def __aenter__(self) -> AsyncClient:
        return await self.connect()

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def state(self) -> str:
        """``"connecting"``, ``"connected"``, ``"offline"`` or ``"closed"``."""
        return self.socket.state

    def on_state(self, function: F) -> F:
        """Have a function called with the new state whenever it changes."""
        return self.socket.on_state(function)

    def off_state(self, function: Callable[..., Any]) -> None:
        """Undo `on_state`."""
        self.socket.off_state(function)

    def _tell_state(self, state: str) -> None:
        for membership in list(self._memberships.values()):
            membership.watchers.notice("$state", {"room": membership.room, "state": state})

    async def close(self, timeout: float = 5.0) -> None:
        """Have what came handled, store what waits, acknowledge what was handled, leave all rooms and end.

        Parameters
        ----------
        timeout : float
            Seconds for handlers to finish what was received, and for the hub to store what waits, which has two seconds
            at least. A handler may close its own client: it is the last.
        """
        if self.state == "closed":
            return
        self.socket.io.check_loop()
        deadline = asyncio.get_running_loop().time() + timeout
        memberships = list(self._memberships.values())
        for membership in memberships:
            membership.finish()
        await asyncio.gather(*(membership.finished(timeout) for membership in memberships))
        if self.state == "connected":
            await self.outbox.flush(max(_GOODBYE, deadline - asyncio.get_running_loop().time()))
            await self._leave(memberships)
        for membership in memberships:
            membership.end("the client was closed")
        await self.socket.disconnect(max(_LEAST, deadline - asyncio.get_running_loop().time()))
        if self._outbox:
            self._outbox.close()

    async def _leave(self, memberships: Sequence[Membership]) -> None:
        """Say goodbye, to a hub that answers."""
        leaving = [asyncio.ensure_future(membership.leave()) for membership in memberships]
        if leaving:
            await asyncio.wait(leaving, timeout=_GOODBYE)
        for task in leaving:
            task.cancel()

    @property
    def has_handlers(self) -> bool:
        """Whether there are handlers, or functions that look on."""
        return self.socket.has_handlers or any(membership.has_handlers for membership in self._memberships.values())

    @property
    def outbox(self) -> Outbox:
        """What waits to be stored."""
        if self._outbox is None:
            raise Disconnected("the client was never connected")
        return self._outbox

    async def _prepare(self) -> None:
        """Come back: say who this is, join again, and send again what was not acknowledged."""
        assert self.socket.id is not None
        self.hello = await say_hello(self.commands, self.url, self.socket.id)
        self.durability.greeted(self.hello)
        self.user = self.hello.user or self.user
        memberships = [membership for membership in self._memberships.values() if membership.joined]
        await asyncio.gather(*(membership.come_back() for membership in memberships))
        self.outbox.connected()

    async def is_beside(self, other: AsyncClient) -> bool:
        """Return whether another client of this user is connected to the same hub: this one's hub says so."""
        return await is_beside(self.commands, other._client)

    @property
    def durable(self) -> bool | None:
        """Whether events outlive the server; None before the first connection."""
        return self.durability.durable

    def require_durable(self) -> None:
        """Refuse the hub if it cannot keep events on disk, now with `NotDurableError`, later by staying offline."""
        self.durability.check()
        self.durability.required = True

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

        Raises
        ------
        BadRoom, Forbidden, LimitExceeded
            If the hub refuses. Transient refusals (`Busy`, `Full`, `DiskError`, `Shutdown`, `Internal`,
            `RateExceeded`) are retried, and raised when they last for the client's timeout.
        Disconnected
            If there is no connection within the client's timeout.
        """
        check_room(room)
        lock = self._joining.get(room) or asyncio.Lock()
        self._joining[room] = lock
        async with lock:
            joined = self._rooms.get(room)
            if joined:
                if as_ is not None and as_ != joined.subscription:
                    raise ValueError(f"room {room!r} is joined as {joined.subscription!r}: leave() it first")
                return joined
            start = await self._start(room, last=last, since=milliseconds(since), after=after)
            entered = await self._join(room, as_, start)
        if self._make_executor is TaskExecutor:  # else it is for who waits for the I/O thread to say it
            self.notices.show(stacklevel=2)
            self.durability.warn_joined(room, stacklevel=2)
        return entered

    async def _start(self, room: str, **start: int | None) -> dict[str, Any]:
        given: dict[str, Any] = {key: value for key, value in start.items() if value is not None}
        if len(given) > 1:
            raise ValueError(f"give one of last, since and after, not {' and '.join(given)}")
        if "after" in given:
            reply = await self.commands.ask_patiently("history", {"room": room, "last": 1})
            given |= Era.of(reply).fields
        return given

    async def _join(self, room: str, as_: str | None, start: Mapping[str, Any]) -> AsyncRoom:
        membership = Membership(room, as_, self.commands, self._make_executor, self._forget)
        self._memberships[room] = membership  # before the reply: the backlog is right behind it
        try:
            await self.commands.patiently(lambda: membership.enter(start), passing=True)
        except BaseException:
            membership.end(f"room {room!r} was not joined")
            raise
        self.user = membership.user or self.user
        if membership.subscription is None and self.hello:
            add_join_notices(self.notices, room, membership.place, self.url, self.hello, asked=bool(start))
        joined = self._rooms[room] = AsyncRoom(self, membership, self.commands, self.outbox, self.durability)
        return joined

    def _forget(self, membership: Membership) -> None:
        if self._memberships.get(membership.room) is membership:
            del self._memberships[membership.room]
            self._rooms.pop(membership.room, None)

    @awaited
    async def rooms(self) -> list[dict[str, Any]]:
        """Return the rooms that this user may see: dicts of ``room, head, first, count, bytes, members``."""
        rooms: list[dict[str, Any]] = []
        request: dict[str, Any] = {}
        while True:
            reply = await self.commands.ask_patiently("rooms", request)
            rooms += reply["rooms"]
            if not reply.get("more"):  # a hub of 0.1.0 sends all at once
                return rooms
            request = {"after": reply["through"]}

    async def subscriptions(self, room: str | None = None) -> Subscriptions:
        """Return what the hub remembers for this user: how far the readers of each room have come.

        What has ended, since it was not used for 30 days or its notebook was deleted, is listed for a day more.

        Parameters
        ----------
        room : str, optional
            Only those of this room.

        Returns
        -------
        list
            Of objects with ``room``, ``name``, ``kind``, ``cursor``, ``head``, ``live``, ``used``, ``ended`` and
            ``expires``; notebooks and terminals show it as a table.
        """
        return await read_subscriptions(self.commands, room)

    async def unsubscribe(self, room: str, name: str) -> None:
        """Have the hub forget a subscription of this user: the next join under its name starts from now.

        Parameters
        ----------
        room, name : str
            As `subscriptions` lists them. Whoever uses it goes on until it leaves.

        Raises
        ------
        NotJoined
            If there is none.
        """
        await self.commands.ask("unsubscribe", {"room": room, "as": name})

    def _renamed(self, old: str, notebook: str) -> None:
        """Learn that the notebook whose kernel this is has another name."""
        if self.hello:
            self.hello = self.hello.renamed(notebook)
        for membership in self._memberships.values():
            membership.renamed(old, notebook)
