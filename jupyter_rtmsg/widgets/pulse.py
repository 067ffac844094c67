"""When to ask again what nothing tells: often while it changes, seldom while it does not, never at rest."""

from __future__ import annotations


class Pulse:
    """The seconds until the next look.

    Parameters
    ----------
    shortest, longest : float
        Seconds. The pause doubles with each look that finds nothing new.
    """

    def __init__(self, shortest: float, longest: float) -> None:
        self._shortest = shortest
        self._longest = longest
        self._pause = shortest

    def next(self, *, changed: bool) -> float:
        """Return the pause after a look."""
        self._pause = self._shortest if changed else min(self._pause * 2, self._longest)
        return self._pause
