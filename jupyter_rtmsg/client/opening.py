"""Opening sessions: one transport after the other, and the upgrade."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from jupyter_rtmsg.errors import ProtocolError

from .endpoint import Endpoint
from .http import HttpFailed, HttpRefused
from .polling import Polling, open_polling
from .refusal import meaning, reason_of
from .session import NotOpened, Session
from .strategy import Strategy, is_final, says_no
from .transport import Receiver
from .upgrade import upgrade
from .websocket import open_websocket

_log = logging.getLogger("jupyter_rtmsg")
_TIMEOUT = 10.0  # seconds for all transports together
_FIRST_TIMEOUT = 4.0  # ... for one when another is tried behind it
_UPGRADE_TIMEOUT = 10.0
_OPENERS: dict[str, Callable[[Endpoint, Receiver], Awaitable[object]]] = {
    "websocket": open_websocket,
    "polling": open_polling,
}
_NO_HANDSHAKE = (HttpRefused, HttpFailed, NotOpened)  # there was a server, but no session


class Opener:
    """Opens the sessions of a connection.

    Parameters
    ----------
    endpoint : Endpoint
    strategy : Strategy
    make : callable
        Makes a session.
    """

    def __init__(self, endpoint: Endpoint, strategy: Strategy, make: Callable[[], Session]) -> None:
        self._endpoint = endpoint
        self._strategy = strategy
        self._make = make
        self._upgrades: set[asyncio.Task[None]] = set()

    async def open(self) -> Session:
        """Open a session over the first transport that gets through.

        Raises
        ------
        AccessDenied, ServerNotFound, ServerUnreachable
            What trying again does not mend.
        OSError, HttpRefused
            What it may mend.
        """
        while True:
            self._strategy.url = self._endpoint.address.url
            try:
                session = await self._open()
            except Exception as error:  # noqa: BLE001 - raised below, in other words
                meant = meaning(error, self._endpoint.address)
                if not self._endpoint.advance(meant):
                    reason = self._endpoint.reason(meant)
                    raise reason from reason.__cause__
            else:
                self._endpoint.route.settle()
                return session

    async def _open(self) -> Session:
        errors: list[Exception] = []
        order = self._strategy.order()
        deadline = asyncio.get_running_loop().time() + _TIMEOUT
        for name in order:
            remaining = deadline - asyncio.get_running_loop().time()
            seconds = remaining if name == order[-1] else min(remaining, _FIRST_TIMEOUT)
            try:
                session = await self._over(name, seconds)
            except _NO_HANDSHAKE as error:
                if is_final(error):
                    raise
                errors.append(error)
            else:
                self._opened(session, errors)
                return session
        raise _telling(errors)

    async def _over(self, name: str, seconds: float) -> Session:
        session = self._make()
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

    def _opened(self, session: Session, errors: list[Exception]) -> None:
        """Remember that no WebSocket got through, or try one, where there is none yet."""
        polling = session.transport
        if not isinstance(polling, Polling):
            return
        if any(says_no(error) for error in errors):
            self._no_websocket(errors[0])
        elif self._strategy.websocket and session.handshake and "websocket" in session.handshake.upgrades:
            task = asyncio.get_running_loop().create_task(self._upgrade(session, polling), name="rtmsg upgrade")
            self._upgrades.add(task)
            task.add_done_callback(self._upgrades.discard)
            session.ended.add_done_callback(lambda _: task.cancel())

    async def _upgrade(self, session: Session, polling: Polling) -> None:
        assert session.handshake
        try:
            upgrading = upgrade(self._endpoint, session, polling, session.handshake.sid)
            await asyncio.wait_for(upgrading, _UPGRADE_TIMEOUT)
        except (HttpRefused, OSError, ProtocolError, asyncio.TimeoutError) as error:
            polling.resume()
            if not session.ended.done():
                self._no_websocket(error)

    def _no_websocket(self, error: Exception) -> None:
        self._strategy.give_up_websocket()
        _log.info("no WebSocket gets through to %s (%s)", self._endpoint.address.url, reason_of(error))


def _telling(errors: list[Exception]) -> Exception:
    """Return the error that says most: the last one, unless it only says that its transport is switched off."""
    last = errors[-1]
    if isinstance(last, HttpRefused) and "Transport unknown" in last.body:
        return errors[0]
    return last
