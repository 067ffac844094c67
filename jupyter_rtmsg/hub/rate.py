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
    """

    __slots__ = ("_burst", "_rate", "_tokens", "_when")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._when = now

    def take(self, now: float) -> None:
        """Take a token.

        Raises
        ------
        RateExceeded
            When there is none.
        """
        tokens = min(self._burst, self._tokens + (now - self._when) * self._rate)
        self._when = now
        if tokens < 1:
            self._tokens = tokens
            raise RateExceeded(
                f"more than {self._rate:g} publishes a second, after a burst of {self._burst:g}: "
                f"try again in {(1 - tokens) / self._rate:.3f} s"
            )
        self._tokens = tokens - 1
