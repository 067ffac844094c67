"""The method ``emit`` of a room: `emit_awaited` is that of `AsyncRoom`, and `emit_blocking` that of `Room`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Protocol, TypeVar, overload

from jupyter_rtmsg.client.blocking import blocking_by
from jupyter_rtmsg.client.bridge import Bridge
from jupyter_rtmsg.errors import RtmsgError

from .membership import Membership
from .misuse import awaited, emit_like_this, explained
from .notices import Durability
from .outbox import Outbox
from .publish import Publish
from .receipt import Receipt

F = TypeVar("F", bound=Callable[..., Any])
_SMALL = 64 * 1024  # bytes; larger events wait for their place in the queue, so that its limit in bytes holds


class Emitting(Protocol):
    """A room for code that awaits, as far as `emit_awaited` needs it."""

    membership: Membership
    _outbox: Outbox
    _durability: Durability


class BlockingEmitting(Protocol):
    """A room for code that does not await, as far as `emit_blocking` needs it."""

    _membership: Membership
    _outbox: Outbox
    _durability: Durability
    _bridge: Bridge


def _named(owner: str) -> Callable[[F], F]:
    """Decorate a function that becomes the method ``emit`` of a class."""

    def decorate(function: F) -> F:
        function.__name__, function.__qualname__ = "emit", f"{owner}.emit"
        function.__annotations__.pop("self", None)  # Shift-Tab shows the signature of a method
        return function

    return decorate


@overload
async def emit_awaited(
    self: Emitting, event: str, data: Any = None, *, id: str | None = None, volatile: bool = False,
    expect: int | None = None, retain: str | None = None, expire: float | None = None,
    wait: Literal[True] = True, timeout: float = 10.0,
) -> int | None: ...  # fmt: skip
@overload
async def emit_awaited(
    self: Emitting, event: str, data: Any = None, *, id: str | None = None, volatile: bool = False,
    expect: int | None = None, retain: str | None = None, expire: float | None = None,
    wait: Literal[False], timeout: float = 10.0,
) -> Receipt: ...  # fmt: skip
@awaited
@explained(emit_like_this)
@_named("AsyncRoom")
async def emit_awaited(
    self: Emitting,
    event: str,
    data: Any = None,
    *,
    id: str | None = None,
    volatile: bool = False,
    expect: int | None = None,
    retain: str | None = None,
    expire: float | None = None,
    wait: bool = True,
    timeout: float = 10.0,
) -> int | Receipt | None:
    """Emit an event to all members of the room, including this client.

    Parameters
    ----------
    event : str
        The event's name: 1 to 128 characters, not one of Socket.IO's own, and not starting with ``$``.
    data : object
        JSON, with bytes anywhere inside.
    id : str, optional
        The event is stored once, whichever client or process of this user emits it with this id within a day.
        Include the run of the program: f"{run}-{step}".
    volatile : bool
        Send it to the present members only: it is not stored and may be lost.
    expect : int, optional
        Store it only if the room's head is this seq; with ``retain``, only if the value of the key has this seq (0: if
        there is none).
    retain : str, optional
        Keep the event as the value of this key, whatever is trimmed, until a later one replaces it. Who joins gets it
        first, and it is in ``room.state``. With the data None, the key is deleted.
    expire : float, optional
        Seconds after which the event, and the value, are gone.
    wait : bool
        Wait until it is stored. Otherwise return a `Receipt` at once, so that several events can be under way.
    timeout : float
        Seconds.

    Returns
    -------
    int or None or Receipt
        The seq of the event; None for a volatile event.

    Raises
    ------
    NotJSON, TooLarge, BadEvent, ReservedEvent
        At once, if the event cannot be sent.
    EmitTimeout
        If the hub does not acknowledge in time. The event stays queued and may still be stored.
    QueueFull
        If the queue of this client is full.
    IdConflict
        If the id belongs to another event of this user in the room.
    CommandError
        If the hub refuses the event.
    """
    self.membership.check()
    room = self.membership.room
    publish = self._outbox.draft(
        room, event, data, id=id, volatile=volatile, expect=expect, retain=retain, expire=expire
    )
    receipt = await self._outbox.put(publish, timeout)
    outcome = await receipt.wait(timeout) if wait else receipt
    self._durability.warn_emitted(room, stacklevel=2)
    return outcome


@explained(emit_like_this)
def _emit(
    self: BlockingEmitting,
    event: str,
    data: Any = None,
    *,
    id: str | None = None,
    volatile: bool = False,
    expect: int | None = None,
    retain: str | None = None,
    expire: float | None = None,
    wait: bool = True,
    timeout: float = 10.0,
) -> int | Receipt | None:
    self._bridge.check()
    self._membership.check()
    room = self._membership.room
    publish = self._outbox.draft(
        room, event, data, id=id, volatile=volatile, expect=expect, retain=retain, expire=expire
    )
    receipt = _put(self._outbox, self._bridge, publish, timeout, again=id is not None)
    outcome: int | Receipt | None = receipt
    if wait:
        self._bridge.check_server()
        outcome = _wait(receipt, timeout)
    self._durability.warn_emitted(room, stacklevel=3)  # in the caller of `explained`
    return outcome


emit_blocking = blocking_by(_emit, "Room")(emit_awaited)


def _put(outbox: Outbox, bridge: Bridge, publish: Publish, timeout: float, *, again: bool) -> Receipt:
    if again or publish.size > _SMALL or not outbox.fits(publish.size):
        return bridge.ask(outbox.put(publish, timeout))
    outbox.hand_in(publish)  # the same, without waiting for the I/O thread
    return publish.receipt


def _wait(receipt: Receipt, timeout: float) -> int | None:
    __tracebackhide__ = True  # IPython leaves this frame out
    try:
        return receipt.result(timeout)
    except RtmsgError as error:
        raise error.with_traceback(None) from None
