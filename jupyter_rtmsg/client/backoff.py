"""Exponential backoff: the delays between attempts."""

from __future__ import annotations

import random
from collections.abc import Callable


class Backoff:
    """Delays that double up to a limit, with jitter, so that a thousand notebooks do not reconnect at the same instant.

    Parameters
    ----------
    first, limit : float
        The first and the longest delay, in seconds, before jitter.
    chance : callable
        Returns a random number from 0 to 1.
    """

    def __init__(self, first: float = 0.5, limit: float = 5.0, chance: Callable[[], float] = random.random) -> None:
        self._first = first
        self._limit = limit
        self._chance = chance
        self._delay = first

    def next(self) -> float:
        """Return the next delay, in seconds: half of it fixed, half of it random."""
        delay, self._delay = self._delay, min(2 * self._delay, self._limit)
        return delay * (0.5 + self._chance() / 2)

    def reset(self) -> None:
        """Start again with the first delay."""
        self._delay = self._first
