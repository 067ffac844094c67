"""Shares the event loop fairly: however many sessions somebody has, they take one turn together."""

from __future__ import annotations

import asyncio
import types
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from typing import Any, TypeVar
from weakref import WeakValueDictionary

T = TypeVar("T")

TURN_SECONDS = 0.005
"""Seconds for which all sessions of one principal are dealt with, before everybody else has a turn."""
LENIENT, LONGEST_REST = 2, 0.05
"""After a turn of more than two its principal rests, at most for so many seconds."""


class Share:
    """What one principal has of the event loop.

    Parameters
    ----------
    turns : Turns

    Attributes
    ----------
    used : float
        Seconds in this turn.
    resting : bool
        Whether its next turn begins later, since this one was much too long.
    waiting : deque of callable
        What goes on in a later turn, in order.
    """

    __slots__ = ("__weakref__", "_turns", "resting", "used", "waiting")

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self.used = 0.0
        self.resting = False
        self.waiting: deque[Callable[[], object]] = deque()

    @property
    def rest(self) -> float:
        """Seconds that are left in this turn."""
        return TURN_SECONDS - self.used

    @property
    def over(self) -> bool:
        """Whether what comes now has to wait: the turn is over, or others of the principal's sessions wait already."""
        return self.used >= TURN_SECONDS or bool(self.waiting)

    def wait(self, go_on: Callable[[], object]) -> None:
        """Call a function in a later turn, behind those that wait."""
        self.waiting.append(go_on)
        self._turns.begin_later(self)

    async def turn(self) -> None:
        """Return in a later turn, behind those that wait."""
        loop = asyncio.get_running_loop()
        while True:
            begun: asyncio.Future[None] = loop.create_future()
            self.wait(partial(_begin, begun))
            await begun
            if self.rest > 0:  # else those that began at the same moment have used it up
                return

    @types.coroutine
    def run(
        self, coroutine: Coroutine[Any, Any, T], clock: Callable[[], float]
    ) -> Generator[asyncio.Future[Any], None, T]:
        """Await a coroutine: each of its steps is a part of a turn, and waits for the next one if this turn is over.

        Parameters
        ----------
        coroutine : coroutine
        clock : callable
            Seconds.
        """
        error: BaseException | None = None
        while True:
            try:
                if self.over and error is None:
                    yield from self.turn().__await__()
            except BaseException as thrown:
                error = thrown
            begun = clock()
            try:
                waits_for = coroutine.send(None) if error is None else coroutine.throw(error)
            except StopIteration as done:
                result: T = done.value
                return result
            finally:
                self.used += clock() - begun
            error = None
            try:
                yield waits_for
            except BaseException as thrown:
                error = thrown


def _begin(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


class Turns:
    """The turns of all principals.

    One that has used `TURN_SECONDS` waits until the event loop has been round. Nobody is slowed down while others are
    idle, and nothing runs while nobody waits.
    """

    __slots__ = ("_shares", "_waiting")

    def __init__(self) -> None:
        self._shares: WeakValueDictionary[str, Share] = WeakValueDictionary()  # their sessions keep them
        self._waiting: dict[Share, None] = {}

    def of(self, principal: str) -> Share:
        """Return the share of a principal."""
        share = self._shares.get(principal)
        if share is None:
            share = self._shares[principal] = Share(self)
        return share

    def begin_later(self, share: Share) -> None:
        """Begin a new turn of a share when the event loop has been round.

        One message may take longer than a turn, and nothing can be done about that while it is dealt with: afterwards,
        its sender rests for about as long as it was too long.
        """
        if share.resting:
            return
        loop = asyncio.get_running_loop()
        too_long = share.used - LENIENT * TURN_SECONDS
        if too_long > 0:
            share.resting = True
            loop.call_later(min(too_long, LONGEST_REST), self._go_on, share)
            return
        if not self._waiting:
            loop.call_soon(self._begin)
        self._waiting[share] = None

    def _begin(self) -> None:
        waiting, self._waiting = self._waiting, {}
        for share in waiting:
            self._go_on(share)

    def _go_on(self, share: Share) -> None:
        share.used, share.resting = 0.0, False
        goes_on, share.waiting = share.waiting, deque()
        while goes_on and share.used < TURN_SECONDS:
            try:
                goes_on.popleft()()
            except Exception as error:  # the others that wait go on all the same
                told = {"message": "what waited for its turn failed", "exception": error}
                asyncio.get_running_loop().call_exception_handler(told)
        if goes_on or share.waiting:
            share.waiting.extendleft(reversed(goes_on))
            self.begin_later(share)
