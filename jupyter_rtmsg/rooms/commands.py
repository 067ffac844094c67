"""Commands to the hub and their replies (docs/wire.md, "Commands")."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias, TypeVar

from jupyter_rtmsg.client.backoff import Backoff
from jupyter_rtmsg.errors import AckTimeout, CommandError, Disconnected, RateExceeded
from jupyter_rtmsg.wire.data import dump

from .hub_socket import HubSocket

T = TypeVar("T")
Reply: TypeAlias = "dict[str, Any]"
LATER = frozenset({"rate", "busy", "shutdown"})  # codes of refusals that say "not now"
_SOONEST, _LATEST = 0.02, 1.0  # seconds until a command that was refused for its rate is sent again


class Commands:
    """Sends commands over a socket.

    Parameters
    ----------
    socket : HubSocket
    timeout : float
        Seconds that an answer may take.
    """

    def __init__(self, socket: HubSocket, timeout: float) -> None:
        self.timeout = timeout
        self._socket = socket

    @property
    def state(self) -> str:
        """The state of the connection."""
        return self._socket.state

    def check_loop(self) -> None:
        """Raise RuntimeError where the client may not be used; see `Manager.check_loop`."""
        self._socket.io.check_loop()

    async def ask(self, command: str, request: Mapping[str, Any], then: Callable[[Reply], None] | None = None) -> Reply:
        """Send a command and return its reply; ``then`` is called with it before anything that follows it is read.

        A user's other clients may have used up what one user may ask at once: `RateExceeded` is waited out.

        Raises
        ------
        CommandError
            If the hub refuses; for its rate, until the timeout is over.
        AckTimeout, Disconnected
        """
        loop = asyncio.get_running_loop()
        deadline, session = loop.time() + self.timeout, self._socket.id
        while True:
            try:
                return await self._ask(command, request, then)
            except RateExceeded as error:
                delay = min(max(error.retry, _SOONEST), _LATEST) * (1 + random.random())  # noqa: S311
                if loop.time() + delay >= deadline:
                    raise
            await asyncio.sleep(delay)
            if self._socket.id != session:
                raise Disconnected(f"the connection was lost before the hub took {command!r}")

    async def _ask(self, command: str, request: Mapping[str, Any], then: Callable[[Reply], None] | None) -> Reply:
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()

        def answer(args: Any) -> None:
            if future.done():
                return
            try:
                reply = reply_of(args)
                if then:
                    then(reply)
                future.set_result(reply)
            except Exception as error:  # noqa: BLE001 - it belongs to whoever asked
                future.set_exception(error)

        json, attachments = dump([command, request])
        id = self._socket.request(json, attachments, answer)
        try:
            return await asyncio.wait_for(future, self.timeout)
        except asyncio.TimeoutError:
            raise AckTimeout(f"the hub did not answer {command!r} within {self.timeout:g} s") from None
        finally:
            self._socket.forget(id)

    async def ask_patiently(self, command: str, request: Mapping[str, Any]) -> Reply:
        """Do the same, across a reconnect if need be: for commands that change nothing."""
        return await self.patiently(lambda: self.ask(command, request))

    async def patiently(self, ask: Callable[[], Awaitable[T]], *, passing: bool = False) -> T:
        """Wait for a connection and ask; if that is lost, wait for the next, until the timeout is over.

        With ``passing``, refusals that may pass are waited out as well; the last one is raised.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.timeout
        backoff = Backoff()
        while True:
            await self._socket.ready(deadline - loop.time())
            try:
                return await ask()
            except (CommandError, Disconnected) as error:
                if isinstance(error, CommandError) and not (passing and error.passing):
                    raise
                # Without a connection the state is about to say so.
                delay = 0 if isinstance(error, Disconnected) else backoff.next()
                if loop.time() + delay >= deadline or self._socket.state == "closed":
                    raise
            await asyncio.sleep(delay)


def reply_of(args: Any) -> Reply:
    """Return the reply that an ack holds, or raise what it refuses with."""
    if isinstance(args, BaseException):
        raise args
    reply = args[0] if args and isinstance(args[0], dict) else {}
    if not reply.get("ok"):
        error = reply.get("error") or {}
        retry = error.get("retry")
        raise CommandError.of(
            str(error.get("code", "internal")),
            str(error.get("message", "no reason given")),
            float(retry) if isinstance(retry, (int, float)) else 0.0,
        )
    return reply
