"""The client, for code that does not await: the facade of `AsyncClient`. `room.Room` is that of a room.

It holds the async object that does the work, and the `Bridge` to that object's thread. `blocking` and `direct` make
the methods that only pass on a call.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NoReturn

from jupyter_rtmsg.advice import CLIENT, no_such_name
from jupyter_rtmsg.client.blocking import blocking, direct, documented_by
from jupyter_rtmsg.client.bridge import Bridge, Served
from jupyter_rtmsg.client.processes import refuse_copy
from jupyter_rtmsg.client.sync import Socket
from jupyter_rtmsg.client.transport import TRANSPORTS

from .async_client import AsyncClient
from .async_room import AsyncRoom
from .hello import Hello
from .misuse import explained, join_like_this
from .room import Room
from .shared import Observable, SharedTrait
from .subscriptions import Subscriptions


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
                _make_task_executor=self._bridge.task_executor,
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

    def _repr_html_(self) -> str:
        return self._async._repr_html_()

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
        first: bool = False,
        will: tuple[Any, ...] | None = None,
    ) -> Room:
        """Join a room; see `AsyncClient.join`."""
        joining = self._async.join(room, as_=as_, last=last, since=since, after=after, first=first, will=will)
        joined = self._bridge.ask(joining)
        self._async.notices.show(stacklevel=3)  # in the caller of `explained`
        self._async.durability.warn_joined(room, stacklevel=3)
        with self._lock:
            self._rooms = {key: value for key, value in self._rooms.items() if key.membership.gone is None}
            return self._rooms.setdefault(joined, Room(self, joined, self._bridge, self._async))

    post = direct(AsyncClient.post, "Client")

    @documented_by(AsyncClient.shared)
    def shared(self, widget: Observable, trait: str = "value", *, room: str, key: str | None = None) -> SharedTrait:
        """Keep a trait of a widget equal for everybody; see `AsyncClient.shared`."""
        # It begins here, not on the I/O thread: the observers of the widget may take their time.
        self.join(room)
        return self._async.share(room, widget, trait, key).begin()

    rooms = blocking(AsyncClient.rooms, "Client")
    overview = blocking(AsyncClient.overview, "Client")

    @documented_by(AsyncClient.subscriptions)
    def subscriptions(self, room: str | None = None) -> Subscriptions:
        """Return the subscriptions of this user; see `AsyncClient.subscriptions`."""
        return self._bridge.ask(self._async.subscriptions(room)).blocking(self._bridge.ask)

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
