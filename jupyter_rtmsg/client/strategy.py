"""Which transport a session is opened with, and which is tried next."""

from __future__ import annotations

import time
from collections.abc import Sequence

from .http import HttpRefused

TRANSPORTS = ("websocket", "polling")
_REMEMBERED = 600.0  # seconds
_MOST = 1_000

_no_websocket: dict[str, float] = {}  # the base URLs to which none got through, and until when that is believed


class Strategy:
    """The transports of a connection, in their order; WebSocket is left out for ten minutes where none gets through.

    Parameters
    ----------
    transports : sequence of str
        ``"websocket"`` and ``"polling"``, or one of them.
    url : str
        The server's address now, an attribute too: by it all connections of this process remember.
    """

    def __init__(self, transports: Sequence[str], url: str) -> None:
        names = () if isinstance(transports, str) else tuple(transports)
        if not names or not set(names) <= set(TRANSPORTS) or len(set(names)) < len(names):
            raise ValueError(f"transports are a sequence of {' and '.join(map(repr, TRANSPORTS))}, not {transports!r}")
        self._names = names
        self.url = url

    def order(self) -> tuple[str, ...]:
        """Return the transports to try now, one after the other."""
        return tuple(name for name in self._names if name != "websocket" or self.websocket)

    @property
    def websocket(self) -> bool:
        """Whether a WebSocket is worth trying."""
        if self._names == ("websocket",):
            return True
        return "websocket" in self._names and _no_websocket.get(self.url, 0) <= time.monotonic()

    def give_up_websocket(self) -> None:
        """Remember that no WebSocket gets through."""
        now = time.monotonic()
        for url in [url for url, until in _no_websocket.items() if until <= now or len(_no_websocket) >= _MOST]:
            del _no_websocket[url]
        _no_websocket[self.url] = now + _REMEMBERED


def says_no(error: BaseException) -> bool:
    """Whether an answer to the upgrade means that none will ever get through, rather than that the server is ill."""
    return isinstance(error, HttpRefused) and error.status < 500


def is_final(error: BaseException) -> bool:
    """Whether another transport would be answered the same: a token is refused, or the server is elsewhere."""
    return isinstance(error, HttpRefused) and (error.status in (401, 403) or 300 <= error.status < 400)
