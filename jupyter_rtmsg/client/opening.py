"""Opens sessions: over one transport after the other, with an upgrade to WebSocket where polling came first."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence

from jupyter_rtmsg.errors import ProtocolError

from .connect_errors import meaning, reason_of
from .endpoint import Endpoint
from .http import HttpFailed, HttpRefused
from .polling import Polling, open_polling
from .session import ClientSession, NotOpened
from .transport import TRANSPORTS, Receiver
from .upgrade import upgrade
from .websocket import open_websocket

logger = logging.getLogger(__name__)
_TIMEOUT = 10.0  # seconds for all transports together
_FIRST_TIMEOUT = 4.0  # seconds for a transport when another one follows
_UPGRADE_TIMEOUT = 10.0  # seconds
_REMEMBERED = 600.0  # seconds for which no WebSocket is tried where none got through
_MAX_REMEMBERED = 1_000  # base URLs
_OPENERS: dict[str, Callable[[Endpoint, Receiver], Awaitable[object]]] = {
    "websocket": open_websocket,
    "polling": open_polling,
}
_NO_HANDSHAKE = (HttpRefused, HttpFailed, NotOpened)  # a server answered, but opened no session

_no_websocket: dict[str, float] = {}  # base URL -> monotonic time until which no WebSocket is tried, of this process


class Strategy:
    """The order of transports. WebSocket is left out for ten minutes at a base URL where none gets through.

    Parameters
    ----------
    transports : sequence of str
        ``"websocket"`` and ``"polling"`` in the order in which to try them, or one of them.

    Raises
    ------
    ValueError
        If ``transports`` is something else.
    """

    def __init__(self, transports: Sequence[str]) -> None:
        names = () if isinstance(transports, str) else tuple(transports)
        if not names or not set(names) <= set(TRANSPORTS) or len(set(names)) < len(names):
            raise ValueError(f"transports are a sequence of {' and '.join(map(repr, TRANSPORTS))}, not {transports!r}")
        self._names = names

    def order(self, url: str) -> tuple[str, ...]:
        """Return the transports to try now at a base URL."""
        return tuple(name for name in self._names if name != "websocket" or self.tries_websocket(url))

    def tries_websocket(self, url: str) -> bool:
        """Return whether to try a WebSocket at a base URL."""
        if self._names == ("websocket",):
            return True
        return "websocket" in self._names and _no_websocket.get(url, 0) <= time.monotonic()

    def give_up_websocket(self, url: str) -> None:
        """Remember that no WebSocket gets through to a base URL."""
        now = time.monotonic()
        for old in [
            old for old, until in _no_websocket.items() if until <= now or len(_no_websocket) >= _MAX_REMEMBERED
        ]:
            del _no_websocket[old]
        _no_websocket[url] = now + _REMEMBERED


class Opener:
    """Opens the sessions of a manager, and upgrades them.

    Parameters
    ----------
    endpoint : Endpoint
    strategy : Strategy
    make_session : callable
    """

    def __init__(self, endpoint: Endpoint, strategy: Strategy, make_session: Callable[[], ClientSession]) -> None:
        self._endpoint = endpoint
        self._strategy = strategy
        self._make_session = make_session
        self._upgrades: set[asyncio.Task[None]] = set()

    async def open(self) -> ClientSession:
        """Open a session over the first transport, and at the first place, that works.

        Raises
        ------
        AccessDenied, ServerNotFound, ServerUnreachable
            If another attempt would fail in the same way.
        OSError, HttpRefused
            If another attempt may succeed.
        """
        while True:
            try:
                session = await self._open()
            except Exception as error:  # noqa: BLE001 - raised below, with its meaning
                meant = meaning(error, self._endpoint.address)
                if not self._endpoint.advance(meant):
                    reason = self._endpoint.reason(meant)
                    raise reason from reason.__cause__
            else:
                self._endpoint.route.settle()
                return session

    async def _open(self) -> ClientSession:
        errors: list[Exception] = []
        order = self._strategy.order(self._url)
        deadline = asyncio.get_running_loop().time() + _TIMEOUT
        for name in order:
            remaining = deadline - asyncio.get_running_loop().time()
            seconds = remaining if name == order[-1] else min(remaining, _FIRST_TIMEOUT)
            try:
                session = await self._open_over(name, seconds)
            except _NO_HANDSHAKE as error:
                if _is_final(error):
                    raise
                errors.append(error)
            else:
                self._plan_upgrade(session, errors)
                return session
        raise _most_telling(errors)

    async def _open_over(self, name: str, seconds: float) -> ClientSession:
        session = self._make_session()
        try:
            await asyncio.wait_for(session.open(lambda: _OPENERS[name](self._endpoint, session)), seconds)
        except asyncio.TimeoutError:
            session.abort("not connected")
            raise HttpFailed(f"no answer within {seconds:.0f} s") from None
        except BaseException:
            session.abort("not connected")
            raise
        return session

    # -- the upgrade

    def _plan_upgrade(self, session: ClientSession, errors: list[Exception]) -> None:
        """Start an upgrade of a polling session, unless a WebSocket was refused just before."""
        polling = session.transport
        if not isinstance(polling, Polling):
            return
        if any(_says_never(error) for error in errors):
            self._give_up_websocket(errors[0])
        elif (
            self._strategy.tries_websocket(self._url)
            and session.handshake
            and "websocket" in session.handshake.upgrades
        ):
            task = asyncio.get_running_loop().create_task(self._upgrade(session, polling), name="rtmsg upgrade")
            self._upgrades.add(task)
            task.add_done_callback(self._upgrades.discard)
            session.ended.add_done_callback(lambda _: task.cancel())

    async def _upgrade(self, session: ClientSession, polling: Polling) -> None:
        assert session.handshake
        try:
            upgrading = upgrade(self._endpoint, session, polling, session.handshake.sid)
            await asyncio.wait_for(upgrading, _UPGRADE_TIMEOUT)
        except (HttpRefused, OSError, ProtocolError, asyncio.TimeoutError) as error:
            polling.resume()
            if not session.ended.done():
                self._give_up_websocket(error)

    def _give_up_websocket(self, error: Exception) -> None:
        self._strategy.give_up_websocket(self._url)
        logger.info("no WebSocket gets through to %s (%s)", self._url, reason_of(error))

    @property
    def _url(self) -> str:
        return self._endpoint.address.url


def _says_never(error: BaseException) -> bool:
    """Return whether the answer to an upgrade means that no WebSocket will get through, rather than a server error."""
    return isinstance(error, HttpRefused) and error.status < 500


def _is_final(error: BaseException) -> bool:
    """Return whether other transports would get the same answer: a refused token, or a redirect."""
    return isinstance(error, HttpRefused) and (error.status in (401, 403) or 300 <= error.status < 400)


def _most_telling(errors: list[Exception]) -> Exception:
    """Return the last error, or the first one if the last only says that its transport is disabled."""
    last = errors[-1]
    if isinstance(last, HttpRefused) and "Transport unknown" in last.body:
        return errors[0]
    return last
