"""Commands to the hub and their replies (docs/wire.md, "Commands")."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias, TypeVar

from jupyter_rtmsg.client.backoff import Backoff
from jupyter_rtmsg.client.socket import SocketClient
from jupyter_rtmsg.errors import AckTimeout, CommandError, Disconnected, RateExceeded
from jupyter_rtmsg.futures import settle
from jupyter_rtmsg.wire.data import EncodedJSON, dump, encode_json

T = TypeVar("T")
Request: TypeAlias = "Mapping[str, Any] | EncodedJSON"
Reply: TypeAlias = "dict[str, Any]"
NOT_NOW = frozenset({"rate", "busy", "shutdown"})
"""Codes of refusals after which the same request may be sent again soon."""
_SHORTEST, _LONGEST = 0.02, 1.0  # seconds until a command that exceeded the rate is sent again


class Commands:
    """Sends commands over a socket, and returns their replies. Runs on the I/O loop.

    Parameters
    ----------
    socket : SocketClient
    timeout : float
        Seconds for an answer.
    """

    def __init__(self, socket: SocketClient, timeout: float) -> None:
        self.timeout = timeout
        self._socket = socket

    @property
    def state(self) -> str:
        """The state of the connection. Thread-safe."""
        return self._socket.state

    def check_loop(self) -> None:
        """Raise RuntimeError on another event loop than the connection's; see `Manager.check_loop`."""
        self._socket.io.check_loop()

    async def ask(self, command: str, request: Request, then: Callable[[Reply], None] | None = None) -> Reply:
        """Send a command, and return its reply.

        The limit of one user's rate may have been used up by other clients; then the command is sent again.

        Parameters
        ----------
        command : str
        request : mapping or EncodedJSON
            JSON.
        then : callable, optional
            Called with the reply before any later packet is read.

        Raises
        ------
        CommandError
            If the hub refuses; `RateExceeded` only after the timeout.
        AckTimeout
            If it does not answer in time.
        Disconnected
            If there is no connection, or it is lost.
        """
        loop = asyncio.get_running_loop()
        deadline, session = loop.time() + self.timeout, self._socket.id
        while True:
            try:
                return await self._ask_once(command, request, then)
            except RateExceeded as error:
                delay = min(max(error.retry, _SHORTEST), _LONGEST) * (1 + random.random())  # noqa: S311
                if loop.time() + delay >= deadline:
                    raise
            await asyncio.sleep(delay)
            if self._socket.id != session:
                raise Disconnected(f"the connection was lost before the hub took {command!r}")

    async def _ask_once(self, command: str, request: Request, then: Callable[[Reply], None] | None) -> Reply:
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()

        def answer(args: Any) -> None:
            if future.done():
                return
            try:
                reply = reply_of(args)
                if then:
                    then(reply)
            except Exception as error:  # noqa: BLE001 - the caller of `ask` gets it
                settle(future, error)
            else:
                settle(future, reply)

        if isinstance(request, EncodedJSON):
            json, attachments = b"[%b,%b]" % (encode_json(command), request.json), request.attachments
        else:
            json, attachments = dump([command, request])
        id = self._socket.request(json, attachments, answer)
        try:
            return await asyncio.wait_for(future, self.timeout)
        except asyncio.TimeoutError:
            raise AckTimeout(f"the hub did not answer {command!r} within {self.timeout:g} s") from None
        finally:
            self._socket.forget(id)

    async def ask_patiently(self, command: str, request: Mapping[str, Any]) -> Reply:
        """Send a command that changes nothing; if the connection is lost, send it again after the reconnect."""
        return await self.patiently(lambda: self.ask(command, request))

    async def patiently(self, ask: Callable[[], Awaitable[T]], *, transient: bool = False) -> T:
        """Wait for a connection and ask. If it is lost, ask again over the next one, until the timeout.

        With ``transient``, transient refusals are retried as well; the last one is raised.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.timeout
        backoff = Backoff()
        while True:
            await self._socket.ready(deadline - loop.time())
            try:
                return await ask()
            except (CommandError, Disconnected) as error:
                if isinstance(error, CommandError) and not (transient and error.transient):
                    raise
                # after a loss there is no delay: the state is about to change, and `ready` then waits
                delay = 0 if isinstance(error, Disconnected) else backoff.next()
                if loop.time() + delay >= deadline or self._socket.state == "closed":
                    raise
            await asyncio.sleep(delay)


def reply_of(args: Any) -> Reply:
    """Return the reply in the arguments of an ACK, or raise the error in it."""
    if isinstance(args, BaseException):
        raise args
    reply = args[0] if args and isinstance(args[0], dict) else {}
    if not reply.get("ok"):
        error = reply.get("error") or {}
        retry, head = error.get("retry"), error.get("head")
        raise CommandError.of(
            str(error.get("code", "internal")),
            str(error.get("message", "no reason given")),
            float(retry) if isinstance(retry, (int, float)) else 0.0,
            head if isinstance(head, int) else None,
        )
    return reply
