"""The client for notebooks and scripts that do not await: `AsyncClient` on a thread of its own."""

from __future__ import annotations

import os
import ssl
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, TypeVar

from jupyter_rtmsg.advice import CLIENT, no_such_name
from jupyter_rtmsg.client.bridge import Bridge
from jupyter_rtmsg.client.processes import refuse_copy
from jupyter_rtmsg.client.search import Found
from jupyter_rtmsg.client.strategy import TRANSPORTS
from jupyter_rtmsg.client.sync_socket import Socket
from jupyter_rtmsg.client.threads import Served

from .async_client import AsyncClient
from .async_room import AsyncRoom
from .discovery import find_server
from .hello import Hello
from .room import Room
from .subscriptions import Subscriptions
from .ways import Ways
from .wrong_calls import check_url, explained, join_like_this

F = TypeVar("F", bound=Callable[..., Any])


class Client:
    """A connection to a hub, and the rooms joined over it. `connect` makes one.

    Parameters
    ----------
    url : str, optional
        The base URL of a Jupyter server; without it the server is found, see `connect`.
    token : str, optional
        Sent in a header, never in a URL.
    name : str, optional
        Shown to the other members; at most 64 characters.
    timeout : float
        Seconds that the first connection, and every command, may take.
    tls : ssl.SSLContext, optional
        For ``https`` with a certificate that the system does not know.
    transports : sequence of str
        Tried in this order: ``"websocket"`` and ``"polling"``, or one of them. See docs/client.md, Transports.
    durable : bool
        Refuse a hub that cannot keep events on disk, see `connect`.

    Attributes
    ----------
    socket : Socket
        The plain Socket.IO client beneath.
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
                _lanes=self._bridge.lane,
            )
        except BaseException:
            self._bridge.close()
            raise
        io = inner.socket.io
        self._bridge.serve(Served(lambda: io.address, inner.close, lambda: io.descriptors, lambda: inner.heard))
        self.socket = Socket("", _socket=self._async.socket, _bridge=self._bridge)
        self._rooms: dict[AsyncRoom, Room] = {}
        self._lock = threading.Lock()

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
            If it does not answer within the timeout.
        """
        try:
            self._bridge.ask(self._async.connect())
        except BaseException:
            self._bridge.close()
            raise
        self._async.notices.show(stacklevel=3)  # for who called the function `connect`
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
        """Who the hub takes this client for: known once it is connected."""
        return self._async.user

    @property
    def hello(self) -> Hello | None:
        """What the hub said of itself at the last connect."""
        return self._async.hello

    @property
    def durable(self) -> bool | None:
        """Whether events outlive the server; None before the first connection."""
        return self._async.durable

    def require_durable(self) -> None:
        """Refuse the hub if it cannot keep events on disk, now with `NotDurableError`, later by staying offline."""
        self._async.require_durable()

    def on_state(self, function: F) -> F:
        """Have a function called with the new state whenever it changes."""
        return self._async.on_state(function)

    def off_state(self, function: Callable[..., Any]) -> None:
        """Undo `on_state`."""
        self._async.off_state(function)

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
        """Join a room; a room that is joined already is given back as it is.

        Without a start it goes on where the subscription ``as_`` has come to. In a notebook that is the notebook's own,
        so nothing is missed when its kernel restarts; a script gives a name, or starts from now.

        Parameters
        ----------
        room : str
            1 to 128 letters and digits of any script, ``_``, ``~``, ``-`` and inner dots.
        as_ : str, optional
            Names the subscription.
        last : int, optional
            Start with the last so many events.
        since : float or datetime, optional
            Start with what happened since; seconds since 1970.
        after : int, optional
            Start after this seq.

        Raises
        ------
        BadRoom, Forbidden, LimitExceeded
            If the hub refuses.
        Disconnected
            If there is no connection within the client's timeout.
        """
        joined = self._bridge.ask(self._async.join(room, as_=as_, last=last, since=since, after=after))
        self._async.notices.show(stacklevel=3)  # of the caller of `explained`
        self._async.durability.warn_joined(room, stacklevel=3)
        with self._lock:
            self._rooms = {key: value for key, value in self._rooms.items() if key.membership.gone is None}
            return self._rooms.setdefault(joined, Room(self, joined, self._bridge))

    def rooms(self) -> list[dict[str, Any]]:
        """Return the rooms that this user may see: dicts of ``room, head, first, count, bytes, members``."""
        return self._bridge.ask(self._async.rooms())

    def subscriptions(self, room: str | None = None) -> Subscriptions:
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
        return self._bridge.ask(self._async.subscriptions(room))

    def unsubscribe(self, room: str, name: str) -> None:
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
        self._bridge.ask(self._async.unsubscribe(room, name))

    def is_beside(self, other: Client) -> bool:
        """Return whether another client of this user is connected to the same hub: this one's hub says so."""
        return self._bridge.ask(self._async.is_beside(other._async))

    @property
    def descriptors(self) -> list[int]:
        """The descriptors of the connection, none when there is no connection."""
        return self._async.socket.descriptors

    def close(self, timeout: float = 5.0) -> None:
        """Have what came handled, store what waits, acknowledge what was handled, leave all rooms and end.

        Parameters
        ----------
        timeout : float
            Seconds for handlers to finish what was received, and for the hub to store what waits, which has two seconds
            at least. A handler may close its own client: it is the last.
        """
        self._bridge.close(timeout)


class _Connected(NamedTuple):
    """A client that `connect` has made, and the ways that led to it."""

    client: Client
    ways: Ways


_connected: list[_Connected] = []
_connecting = threading.Lock()


def connect(
    url: str | None = None,
    token: str | None = None,
    *,
    name: str | None = None,
    timeout: float = 10.0,
    tls: ssl.SSLContext | None = None,
    transports: Sequence[str] = TRANSPORTS,
    durable: bool = False,
) -> Client:
    """Connect to a hub; if this process is connected to it already, return that client.

    Another token makes another client: the one before goes on until it is closed. So does a token that was renewed,
    while a call without a token is for the latest client of that server. Another name is refused. ``timeout``, ``tls``
    and ``transports`` are those of the call that connected.

    Without a URL the server is found: the one that this kernel belongs to (``RTMSG_URL``, which the extension sets), a
    JupyterHub's (``JUPYTERHUB_SERVICE_URL``), the running server that started this process, or the only one running.

    Parameters
    ----------
    url : str, optional
        The base URL of a Jupyter server, such as ``http://127.0.0.1:8888/``.
    token : str, optional
        Sent in a header, never in a URL. That of a server of your own on this machine is found.
    name : str, optional
        Shown to the other members; at most 64 characters.
    timeout : float
        Seconds that the first connection, and every command, may take.
    tls : ssl.SSLContext, optional
        For ``https`` with a certificate that the system does not know.
    transports : sequence of str
        Tried in this order: ``"websocket"`` and ``"polling"``, or one of them. See docs/client.md, Transports.
    durable : bool
        Refuse a hub that cannot keep events on disk, because another server has its log, say: this raises
        `NotDurableError`, and after a reconnect the client stays offline until the hub can.

    Raises
    ------
    ServerNotFound
        If there is no server; the message says what was tried.
    AccessDenied
        If the token is refused.
    ServerUnreachable
        If the server does not answer within ``timeout`` seconds.
    NotDurableError
        If ``durable`` is asked for, and events would be kept in memory only.
    ValueError
        If this process is connected to that server under another name.
    """
    check_url(url)
    found = find_server(url, token)
    with _connecting:
        _connected[:] = [one for one in _connected if one.client.state != "closed"]
        for one in reversed(_connected):
            if one.ways.lead_to(found):
                one.ways.check(name)
                client = one.client
                break
        else:
            client = Client(url, token, name=name, timeout=timeout, tls=tls, transports=transports, durable=durable)
            client = _remember(client.connect(), name, found)
    if durable:
        client.require_durable()
    return client


def _remember(client: Client, name: str | None, found: Found) -> Client:
    """Return the client that there is for the hub of a new one, or else the new one."""
    for one in reversed(_connected):
        if one.ways.are_one_with(client):
            client.close()
            one.ways.check(name)
            one.ways.add(found)
            return one.client
    _connected.append(_Connected(client, Ways(client, name, found)))
    return client


def _forked() -> None:
    """Forget, in a forked child, the clients of the parent."""
    global _connecting
    _connecting = threading.Lock()
    _connected.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
