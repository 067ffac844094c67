"""A trait of a widget that is kept equal for everybody in a room, through a retained value.

The last writer wins, and the order is that of the log. A change that was made here is sent: one at a time, at most 20
a second, the latest value always. While one is on its way, changes that come are left out: most of them are before it
in the log, and what is after it is looked for when it is stored. Otherwise the trait follows the log. So all end with
the value that is last in the log, and nothing goes back and forth.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from jupyter_rtmsg.advice import short
from jupyter_rtmsg.client.executor import Call, ExecutorFactory
from jupyter_rtmsg.client.handlers import Handler
from jupyter_rtmsg.errors import CommandError, Conflict, RtmsgError, WrongCall
from jupyter_rtmsg.event import Event
from jupyter_rtmsg.logthrottle import throttled_logger

from .membership import Membership
from .outbox import Outbox

SHARED = "shared"
"""The name of the events that change a shared trait."""

INTERVAL = 0.05
"""Least seconds between two changes that are sent."""

KEPT = 60.0
"""Seconds for which the events of earlier values are kept. The present value stays."""

_NOTHING: Any = object()

logger = throttled_logger(__name__)


class Observable(Protocol):
    """An object whose traits can be observed, such as a widget or any ``traitlets.HasTraits``."""

    def observe(self, handler: Callable[[Any], None], names: Any) -> None:
        """Call a function with the changes of a trait."""

    def unobserve(self, handler: Callable[[Any], None], names: Any) -> None:
        """Undo `observe`."""


def check_trait(widget: object, trait: object) -> None:
    """Raise `WrongCall` unless an object has a trait that can be observed."""
    like = 'Write hub.shared(slider, "value", room="lab")'
    if not callable(getattr(widget, "observe", None)) or not callable(getattr(widget, "unobserve", None)):
        raise WrongCall(f"shared() takes a widget, or another object with traits, not {short(widget)}. {like}")
    names = getattr(widget, "trait_names", None)
    if not isinstance(trait, str) or (callable(names) and trait not in names()):
        raise WrongCall(f"{type(widget).__name__} has no trait {short(trait)} that could be shared. {like}")


class SharedTrait:
    """Keeps a trait equal to the value of a key of a room. ``Client.shared`` makes one.

    Parameters
    ----------
    membership : Membership
    outbox : Outbox
    make_executor : callable
        Makes the executor that sets the trait, so that the observers of the widget may take their time.
    widget : Observable
    trait : str
    key : str
    """

    # States: begun by `begin`, stopped for ever by `stop`: also when the room is left, or its cell runs again.
    # - any thread: `_observed` takes a change of the trait into `_unsent`, unless it set it itself (`_setting`).
    # - the I/O loop: `_send` is the one task that sends, while there is something in `_unsent`. `_under_way`: an event
    #   is on its way to the log.
    # - the executor: `_calls` takes values of the room from `_values`, and `_set` sets the trait.

    def __init__(
        self,
        membership: Membership,
        outbox: Outbox,
        make_executor: ExecutorFactory,
        widget: Observable,
        trait: str,
        key: str,
    ) -> None:
        self.key = key
        self._room = membership
        self._outbox = outbox
        self._widget, self._trait = widget, trait
        self._value: Any = _NOTHING  # the last one that was set here or came from the room
        self._unsent: Any = _NOTHING
        self._under_way = False
        self._setting: int | None = None  # the thread that sets the trait to a value of the room
        self._stopped = False
        self._sending: asyncio.Task[None] | None = None
        self._values: deque[Any] = deque(maxlen=1)
        self._handler = Handler(self._set)
        self._executor = make_executor(self._calls, f"rtmsg shared {key}")
        self._unlisten: list[Callable[[], None]] = []

    def __repr__(self) -> str:
        state = " (stopped)" if self._stopped else ""
        return f"<{self._trait} of {type(self._widget).__name__}, shared as {self.key!r} in {self._room.room!r}{state}>"

    def begin(self) -> SharedTrait:
        """Take the value of the room, or give it the present one if it has none."""
        self._widget.observe(self._observed, self._trait)
        self._unlisten = [self._room.values.listen(self.key, self._changed), self._room.watchers.add(self._watch)]
        held = self._room.values.events.get(self.key)
        if held is not None:
            self._set(held.data)
        else:
            self._value = getattr(self._widget, self._trait)
            self._room.call_soon(lambda: self._start(first=True))
        return self

    def stop(self) -> None:
        """Share the trait no longer. The widget and the room keep the value."""
        if not self._stopped:
            self._stopped = True
            self._widget.unobserve(self._observed, self._trait)
            for unlisten in self._unlisten:
                unlisten()
            self._executor.close()

    # --- from here to the room

    def _observed(self, change: Any) -> None:
        """Take a change of the trait."""
        value = change["new"]
        if self._setting == threading.get_ident() or self._stopped or _equal(value, self._value):
            return
        self._value = self._unsent = value
        self._room.call_soon(self._start)

    def _start(self, *, first: bool = False) -> None:
        if not self._stopped and (self._sending is None or self._sending.done()):
            self._sending = asyncio.get_running_loop().create_task(self._send(first), name=f"rtmsg shared {self.key}")

    async def _send(self, first: bool) -> None:
        """Send the latest value until there is no later one. The ``first`` value must not replace one of the room."""
        if first and self._unsent is _NOTHING:
            await self._send_one(self._value, expect=0)
        while self._unsent is not _NOTHING and not self._stopped:
            value, self._unsent = self._unsent, _NOTHING
            await self._send_one(value)
            await asyncio.sleep(INTERVAL)

    async def _send_one(self, value: Any, expect: int | None = None) -> None:
        try:
            publish = self._outbox.draft(
                self._room.room, SHARED, value, expect=expect, retain=self.key, expire=KEPT, keep=True
            )
            self._under_way = True
            seq = await (await self._outbox.put(publish, KEPT)).wait(None)
            self._follow(after=seq or 0)
        except Conflict:
            self._follow()  # another one was first
        except (RtmsgError, RuntimeError) as error:
            level = logger.warning if isinstance(error, CommandError) else logger.info
            level("the value of %r could not be shared in room %r: %s", self.key, self._room.room, error)
            self._follow()

    def _follow(self, after: int = 0) -> None:
        """Follow the room again, and take its value if it came after a seq."""
        self._under_way = False
        held = self._room.values.events.get(self.key)
        if held is not None and (held.seq or 0) > after:
            self._changed(held)

    @property
    def _is_ahead(self) -> bool:
        """Whether the trait has a value that the room does not have yet."""
        return self._under_way or self._unsent is not _NOTHING

    # --- from the room to here

    def _changed(self, event: Event) -> None:
        """Take an event that changes the value. Called on the I/O loop, in order of the log."""
        if not self._is_ahead and event.wire is not None:
            self._values.append(event.data)
            self._executor.wake()

    def _watch(self, event: Event) -> None:
        if event.name == "$left":
            self.stop()

    def _calls(self) -> Iterator[Call]:
        while self._values:
            yield Call(self._handler, (self._values.popleft(),))

    def _set(self, value: Any) -> None:
        if self._stopped or self._is_ahead:
            return
        present = getattr(self._widget, self._trait)
        if isinstance(present, tuple) and isinstance(value, list):
            value = tuple(value)  # JSON has no tuples, and a trait of a range takes nothing else
        self._value, self._setting = value, threading.get_ident()
        try:
            setattr(self._widget, self._trait, value)
        except Exception as error:  # noqa: BLE001 -- a value that somebody else has sent
            logger.warning("the value of %r in room %r does not fit %s: %s", self.key, self._room.room, self, error)
        finally:
            self._setting = None


def _equal(one: Any, other: Any) -> bool:
    """Tell whether two values are equal; values that cannot be compared, such as arrays, are not."""
    try:
        return bool(one == other)
    except Exception:  # noqa: BLE001 -- the comparison of another library
        return False
