"""Fair use of the event loop: all sessions of one principal (a user, or an address) take one turn together."""

from __future__ import annotations

import asyncio
import types
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from typing import Any, TypeVar
from weakref import WeakValueDictionary

T = TypeVar("T")

TURN_SECONDS, SHARED_SECONDS = 0.005, 0.001
"""Seconds for which all sessions of one principal are served in one pass of the event loop; fewer beside others: a
stored event takes about four passes from its publisher to a member."""
LEAST_SECONDS = 0.0002
"""Seconds below which no turn begins: ending one for each small event would cost a tenth of it."""
LENIENT, LONGEST_REST = 2, 0.05
"""After a turn that was longer than ``LENIENT`` turns its principal rests, at most ``LONGEST_REST`` seconds."""
ALONE = 1.0
"""Seconds without a turn of another principal after which a principal need not rest."""


class Share:
    """The part of the event loop's time that one principal has.

    Parameters
    ----------
    turns : Turns

    Attributes
    ----------
    used : float
        Seconds in this turn.
    begun : bool
        Whether a turn has begun that `Turns` will end.
    waiting : deque of callable
        Functions to call in later turns, in order.
    """

    __slots__ = ("__weakref__", "_turns", "begun", "used", "waiting")

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self.used = 0.0
        self.begun = False
        self.waiting: deque[Callable[[], object]] = deque()

    def charge(self, seconds: float) -> None:
        """Count time as used in this turn."""
        self.used += seconds
        if self.used >= LEAST_SECONDS and not self.begun:
            self._turns.begin(self)

    @property
    def rest(self) -> float:
        """Seconds left in this turn."""
        return self._turns.seconds - self.used

    @property
    def over(self) -> bool:
        """Whether work has to wait: the turn is over, or other work of the principal is waiting already."""
        return self.used >= self._turns.seconds or bool(self.waiting)

    def wait(self, go_on: Callable[[], object]) -> None:
        """Call a function in a later turn, behind those that are waiting."""
        self.waiting.append(go_on)
        if not self.begun:
            self._turns.begin(self)

    async def turn(self) -> None:
        """Wait for a later turn, behind the functions that are waiting."""
        loop = asyncio.get_running_loop()
        while True:
            begun: asyncio.Future[None] = loop.create_future()
            self.wait(partial(_begin, begun))
            await begun
            if self.rest > 0:  # functions before this one may have used the turn up
                return

    @types.coroutine
    def run(
        self, coroutine: Coroutine[Any, Any, T], clock: Callable[[], float]
    ) -> Generator[asyncio.Future[Any], None, T]:
        """Await a coroutine, and charge its steps. A step waits for the next turn if this one is over.

        Parameters
        ----------
        coroutine : coroutine
        clock : callable
            Seconds.
        """
        error: BaseException | None = None
        while True:
            try:
                if self.over and error is None:  # a cancellation does not wait for a turn
                    yield from self.turn().__await__()
            except BaseException as thrown:  # cancelled while it waited: the coroutine must see it
                error = thrown
            begun = clock()
            try:
                waits_for = coroutine.send(None) if error is None else coroutine.throw(error)
            except StopIteration as done:
                result: T = done.value
                return result
            finally:
                self.charge(clock() - begun)
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

    A turn lasts for one pass of the event loop. A principal that has used ``seconds`` in it waits for the next pass.
    While others are idle a principal is not slowed down, and no callback runs while all are idle: a turn begins with
    the first charge, and one callback in the next pass of the loop ends all turns.
    """

    __slots__ = ("_begun", "_contended", "_latest", "_shares", "seconds")

    def __init__(self) -> None:
        self._shares: WeakValueDictionary[str, Share] = WeakValueDictionary()  # their sessions keep them
        self._begun: list[Share] = []
        self.seconds = TURN_SECONDS
        self._latest: Share | None = None  # whose turn ended last
        self._contended = -ALONE  # when turns of two principals followed each other last

    def of(self, principal: str) -> Share:
        """Return the share of a principal."""
        share = self._shares.get(principal)
        if share is None:
            share = self._shares[principal] = Share(self)
        return share

    def begin(self, share: Share) -> None:
        """Begin a turn, which the next pass of the event loop ends."""
        share.begun = True
        if not self._begun:  # one callback ends the turns of all principals
            asyncio.get_running_loop().call_soon(self._end)
        self._begun.append(share)

    def _end(self) -> None:
        """End all turns of the last pass.

        One message may take longer than a turn, and cannot be interrupted. Its sender then rests for the time that it
        was too long, unless no other principal has used the loop lately.
        """
        begun, self._begun = self._begun, []
        loop = asyncio.get_running_loop()
        if len(begun) > 1 or begun[0] is not self._latest:
            self._contended = loop.time()
        self._latest = begun[-1]
        # Only with others about: a principal alone on the server may use all of the loop's time.
        contended = loop.time() - self._contended < ALONE
        self.seconds = SHARED_SECONDS if contended else TURN_SECONDS
        for share in begun:
            too_long = share.used - LENIENT * TURN_SECONDS
            if too_long > 0 and contended:
                loop.call_later(min(too_long, LONGEST_REST), self._go_on, share)
            else:
                self._go_on(share)

    def _go_on(self, share: Share) -> None:
        """Begin the next turn of a share: call the functions that wait for it, until the turn is over."""
        share.used, share.begun = 0.0, False
        goes_on, share.waiting = share.waiting, deque()
        while goes_on and share.used < self.seconds:
            try:
                goes_on.popleft()()
            except Exception as error:  # the others are called all the same
                context = {"message": "a function that waited for its turn failed", "exception": error}
                asyncio.get_running_loop().call_exception_handler(context)
        share.waiting.extendleft(reversed(goes_on))  # ahead of functions that were added meanwhile
        if share.waiting and not share.begun:
            self.begin(share)
