"""The socket of a hub's client: a plain one that comes back whatever happens, and says who it is first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from jupyter_rtmsg.client.address import Address
from jupyter_rtmsg.client.connect_errors import connect_error
from jupyter_rtmsg.client.socket import SocketClient
from jupyter_rtmsg.errors import CommandError


class HubSocket(SocketClient):
    """The socket beneath an `AsyncClient`. It is given to the layer `_Hooks`, which calls these attributes.

    Attributes
    ----------
    route : callable or None
        Called with the arguments and the size of every event; tells whether the event was one of a room.
    prepare : callable or None
        Awaited between CONNECT and "connected".
    skip : callable or None
        Called with the arguments of an event whose data is nested too deep, None in the place of that.
    on_batch, on_writable : callable or None
        Called after each read, and when the connection accepts more again.
    on_lost : callable or None
        Called when the connection was lost.
    on_changed : callable or None
        Called with each new state. It is no handler, which a cell that runs again might replace.
    """

    route: Callable[[list[Any], int], bool] | None = None
    skip: Callable[[list[Any]], None] | None = None
    prepare: Callable[[], Awaitable[None]] | None = None
    on_batch: Callable[[], None] | None = None
    on_writable: Callable[[], None] | None = None
    on_lost: Callable[[], None] | None = None
    on_changed: Callable[[str], None] | None = None

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options, _layer=_Hooks(self))


class _Hooks:
    """The layer that calls the attributes of a `HubSocket`."""

    def __init__(self, socket: HubSocket) -> None:
        self._socket = socket
        self._used = False

    def begin(self) -> None:
        if self._used:
            raise RuntimeError("this client has been connected before")
        self._used = True

    async def prepare(self) -> None:
        if self._socket.prepare:
            await self._socket.prepare()

    def event(self, args: list[Any], size: int) -> bool:
        return self._socket.route is not None and self._socket.route(args, size)

    def unreadable(self, args: Any) -> None:
        if self._socket.skip:
            self._socket.skip(args)

    def end_batch(self) -> None:
        if self._socket.on_batch:
            self._socket.on_batch()

    def writable(self) -> None:
        if self._socket.on_writable:
            self._socket.on_writable()

    def lost(self) -> None:
        if self._socket.on_lost:
            self._socket.on_lost()

    def state_changed(self, state: str) -> None:
        if self._socket.on_changed:
            self._socket.on_changed(state)

    def refusal(self, data: Any, address: Address) -> Exception:
        return connect_error(data, address)

    def is_transient(self, error: Exception) -> bool:
        return isinstance(error, CommandError) and error.passing
