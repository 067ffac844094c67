"""Acknowledgements: those that one client owes, and those of several clients to one event."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from itertools import groupby
from typing import Any, Protocol, TypeAlias

from jupyter_rtmsg.errors import AckTimeout, Disconnected, PacketRefused
from jupyter_rtmsg.wire.socketio import Encoded

from .flow_control import FlowControl

AckCallback: TypeAlias = "Callable[[list[Any] | Exception], None]"
"""Called once, with the arguments of an acknowledgement or with the reason why none will come."""


class PendingAcks:
    """The acknowledgements that one client owes in one namespace (docs/protocol.md#socketio-events).

    Parameters
    ----------
    flow : FlowControl
        Of the session.
    """

    __slots__ = ("_callbacks", "_flow")

    def __init__(self, flow: FlowControl) -> None:
        self._flow = flow
        self._callbacks: dict[int, AckCallback] = {}

    def __contains__(self, id: int) -> bool:
        return id in self._callbacks

    def expect(self, id: int, callback: AckCallback) -> None:
        """Call back when the acknowledgement with this id arrives, or when it is known that none will."""
        self._callbacks[id] = callback
        self._flow.ack_owed()

    def take(self, id: int | None, args: list[Any] | Exception) -> None:
        """Deliver an acknowledgement. Unknown and late ones are ignored."""
        callback = self._callbacks.pop(id, None) if id is not None else None
        if callback:
            self._flow.ack_settled()
            callback(args)

    def forget(self, id: int) -> None:
        """Stop waiting for an acknowledgement."""
        if self._callbacks.pop(id, None) is not None:
            self._flow.ack_settled()

    def fail(self, error: Exception) -> None:
        """Call all callbacks with an error."""
        callbacks, self._callbacks = self._callbacks, {}
        self._flow.ack_settled(len(callbacks))
        for callback in callbacks.values():
            callback(error)


class AskedNamespace(Protocol):
    """The part of a `Namespace` that `ask` uses."""

    def next_ack_id(self) -> int:
        """Return an id that no other event of the server has."""

    def check_thread(self, call: str) -> None:
        """Raise `RuntimeError` on another thread than the event loop's."""

    def encode_request(self, args: list[Any], id: int, *, compress: bool) -> Encoded:
        """Encode an event that asks for an acknowledgement."""


class AskedSocket(Protocol):
    """The part of a `Socket` that `ask` uses."""

    id: str
    acks: PendingAcks

    @property
    def namespace(self) -> AskedNamespace:
        """The socket's namespace."""

    def ask(self, encoded: Encoded, args: list[Any], id: int, callback: AckCallback) -> None:
        """Send an encoded event and expect its acknowledgement."""


class AckCollector:
    """Collects the acknowledgements of several clients to one event.

    Parameters
    ----------
    expected : int
        The number of clients.

    Attributes
    ----------
    values : list
        One for each acknowledgement, in the order of arrival: its argument, the list of several, or None.
    waiting : int
        Acknowledgements that may still arrive.
    gone : list of str
        Ids of the sockets that disconnected before they acknowledged.
    error : Exception or None
        The last error of a client that is still connected.
    complete : asyncio.Future
        Done when nothing is awaited any more.
    """

    def __init__(self, expected: int) -> None:
        self.values: list[Any] = []
        self.waiting = expected
        self.gone: list[str] = []
        self.error: Exception | None = None
        self.complete: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def take(self, args: list[Any] | Exception) -> None:
        """Add the arguments of an acknowledgement, or the reason for a missing one."""
        self.waiting -= 1
        if isinstance(args, Disconnected):
            self.gone += args.missing
        elif isinstance(args, Exception):
            self.error = args
        else:
            self.values.append(args[0] if len(args) == 1 else (args or None))
        if not self.waiting and not self.complete.done():
            self.complete.set_result(None)


async def ask(
    sockets: Collection[AskedSocket], args: list[Any], *, timeout: float | None = None, compress: bool = True
) -> list[Any]:
    """Emit an event to some sockets and wait for the acknowledgement of each.

    Parameters
    ----------
    sockets : collection of Socket
        Those of one namespace are adjacent.
    args : list
        The event's name and arguments.
    timeout : float, optional
        Seconds; None: no limit.
    compress : bool
        Whether the event may be compressed.

    Returns
    -------
    list
        The acknowledgements in the order of arrival. If several sockets were asked, those whose data was refused are
        left out.

    Raises
    ------
    AckTimeout
        If a client did not acknowledge in time.
    Disconnected
        If a client disconnected before it acknowledged, and all others have acknowledged. Both errors have the
        acknowledgements that arrived (``responses``) and the ids of the sockets that sent none (``missing``).
    PacketRefused
        If a single socket was asked and the data of its acknowledgement was refused.
    QueueFull
        If too many events of a client wait for handlers, so that its acknowledgement cannot be read.
    """
    if not sockets:
        return []
    first = next(iter(sockets)).namespace
    first.check_thread("emit_with_ack()")
    collector = AckCollector(len(sockets))
    id = first.next_ack_id()
    late: list[str] = []
    try:
        for namespace, group in groupby(sockets, lambda socket: socket.namespace):
            encoded = namespace.encode_request(args, id, compress=compress)
            for socket in group:
                socket.ask(encoded, args, id, collector.take)
        await asyncio.wait_for(collector.complete, timeout)
    except asyncio.TimeoutError:
        late = [socket.id for socket in sockets if id in socket.acks]
    finally:
        for socket in sockets:
            socket.acks.forget(id)
    if collector.error is not None and (len(sockets) == 1 or not isinstance(collector.error, PacketRefused)):
        raise collector.error
    missing = collector.gone + late
    if late:
        text = f"{len(missing)} of {len(sockets)} did not acknowledge in {timeout} s"
        raise AckTimeout(text, collector.values, missing)
    if missing:
        subject = "the client is" if len(sockets) == 1 else f"{len(missing)} of {len(sockets)} are"
        raise Disconnected(f"{subject} gone, and did not acknowledge {args[0]!r}", collector.values, missing)
    return collector.values
