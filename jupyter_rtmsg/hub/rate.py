"""A token bucket: so many a second, and a burst at once."""

from __future__ import annotations

from jupyter_rtmsg.errors import RateExceeded


class TokenBucket:
    """Limits how often something is done.

    Parameters
    ----------
    rate : float
        Tokens that come back each second.
    burst : float
        How many there are at most, and at first.
    now : float
        Seconds, of the clock that `take` is called with.
    what : str
        What the tokens are, for people.
    """

    __slots__ = ("_burst", "_rate", "_tokens", "_what", "_when")

    def __init__(self, rate: float, burst: float, now: float, what: str = "publishes") -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._when = now
        self._what = what

    def take(self, now: float, tokens: float = 1) -> None:
        """Take tokens, if there is one at least; those that are missing are owed.

        So what costs much is refused no more often than what costs little, which else would take each token that
        comes back before there are many.

        Raises
        ------
        RateExceeded
            When there is none.
        """
        there = self._tokens + (now - self._when) * self._rate
        if there > self._burst:
            there = self._burst
        self._when = now
        if there < 1:
            self._tokens = there
            wait = (1 - there) / self._rate
            raise RateExceeded(
                f"more than {self._rate:g} {self._what} a second, after a burst of {self._burst:g}: "
                f"try again in {wait:.3f} s",
                wait,
            )
        self._tokens = there - tokens

    def is_full(self, now: float) -> bool:
        """Return whether all tokens have come back."""
        return self._tokens + (now - self._when) * self._rate >= self._burst
