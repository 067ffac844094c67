"""The CONNECT handshake, which admits a socket to its namespace, and the preparation of the layer above."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from inspect import isawaitable
from typing import Any, Protocol, TypeAlias

from jupyter_rtmsg.errors import ServerUnreachable
from jupyter_rtmsg.wire.parser import Codec

from .address import Address
from .recovery import RecoveryClaim
from .session import ClientSession

_ANSWER_TIMEOUT = 10  # seconds that the server has to answer CONNECT, where there is a layer
_MAX_CUT_SHORT = 3  # sessions in a row that may end in place of an answer

Auth: TypeAlias = "Mapping[str, Any] | Callable[[], Mapping[str, Any] | Awaitable[Mapping[str, Any]]] | None"


class Layer(Protocol):
    """A protocol on top of a socket's events. Its socket connects again after every refusal and disconnection.

    The rooms of a hub are one (`jupyter_rtmsg.rooms`). The layer sees events before the socket's handlers do.
    """

    def begin(self) -> None:
        """Learn that `connect` was called on a socket that is not connected. It may raise."""

    async def prepare(self) -> None:
        """Do what must precede the state "connected". Called when CONNECT was answered; requests may be sent."""

    def event(self, args: list[Any], size: int) -> bool:
        """Take an event of ``size`` bytes: ``[name, *args]``. Return False if it is for the socket's handlers."""

    def unreadable(self, args: Any) -> None:
        """Take an event whose data are nested too deep; they are replaced by None."""

    def end_batch(self) -> None:
        """Learn that all packets of one read were delivered."""

    def writable(self) -> None:
        """Learn that the connection accepts more again."""

    def lost(self) -> None:
        """Learn that the session has ended."""

    def state_changed(self, state: str) -> None:
        """Learn the new state of the socket."""

    def refusal(self, data: Any, address: Address) -> Exception:
        """Return the error that a CONNECT_ERROR means."""

    def is_transient(self, error: Exception) -> bool:
        """Return whether another attempt may succeed after an error of the hub's."""


class ConnectHandshake:
    """Gets one socket admitted to its namespace, once per session.

    Three states. *Asking*, from `ask` until the server answers CONNECT; *preparing*, from `accept` while the layer
    prepares, if there is one; *idle*. ``_task`` is what runs in the first two, and `stop` cancels it. With a layer,
    ``_alarm`` ends a session on which no answer comes.

    Parameters
    ----------
    codec : Codec
    namespace : str
    auth : dict, callable or None
        Sent with CONNECT. A callable is called for each CONNECT, and may be async.
    recovery : RecoveryClaim
        Adds its claim to ``auth``.
    layer : Layer or None
    failed : callable
        Called with the exception of ``auth`` or of the layer's preparation.
    unanswered : callable
        Called with the session on which no answer has come in time.
    """

    def __init__(
        self,
        codec: Codec,
        namespace: str,
        auth: Auth,
        recovery: RecoveryClaim,
        layer: Layer | None,
        failed: Callable[[Exception], None],
        unanswered: Callable[[ClientSession], None],
    ) -> None:
        self._codec = codec
        self._namespace = namespace
        self._auth = auth
        self._recovery = recovery
        self._layer = layer
        self._failed = failed
        self._unanswered = unanswered
        self._task: asyncio.Task[None] | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._cut_short = 0  # sessions in a row that the server ended in place of an answer

    def ask(self, session: ClientSession) -> None:
        """Send CONNECT over a new session."""
        self._task = self._spawn(self._send_connect(session))
        if self._layer:
            loop = asyncio.get_running_loop()
            self._alarm = loop.call_later(_ANSWER_TIMEOUT, self._unanswered, session)

    async def _send_connect(self, session: ClientSession) -> None:
        try:
            auth: Any = self._auth() if callable(self._auth) else self._auth
            auth = {**self._recovery.claim(), **((await auth if isawaitable(auth) else auth) or {})}
            packet = self._codec.connect(auth or None, self._namespace)
        except Exception as error:  # noqa: BLE001 - `auth` is the user's function
            self._failed(error)
            return
        if not session.ended.done():
            session.send(packet)

    def accept(self, session: ClientSession, then: Callable[[], None]) -> None:
        """Take the answer to CONNECT: let the layer prepare, if there is one, then call ``then``."""
        self._cut_short = 0
        self.answered()
        if self._layer is None:
            then()
        else:
            self._task = self._spawn(self._prepare(self._layer, session, then))

    async def _prepare(self, layer: Layer, session: ClientSession, then: Callable[[], None]) -> None:
        try:
            await layer.prepare()
        except Exception as error:  # noqa: BLE001 - the caller of `connect` gets it
            self._failed(error)
        else:
            if not session.ended.done():
                then()

    def answered(self) -> None:
        """Note that the server has answered, or that its answer no longer matters."""
        if self._alarm:
            self._alarm.cancel()
            self._alarm = None

    def stop(self) -> None:
        """Give up: the session has ended, or the socket has left."""
        self.answered()
        if self._task:
            self._task.cancel()

    def cut_short(self, url: str, account: str) -> ServerUnreachable | None:
        """Count a session that ended in place of an answer; return an error for the third one in a row."""
        self._cut_short += 1
        if self._cut_short != _MAX_CUT_SHORT:
            return None
        return ServerUnreachable(
            f"{url} ended {self._cut_short} sessions in place of answering CONNECT ({account}): {self._advice}"
        )

    def silence(self, url: str, timeout: float) -> ServerUnreachable:
        """Return the error that there is a session, and no answer within ``timeout`` seconds."""
        return ServerUnreachable(
            f"{url} opened a session, and did not answer CONNECT within {timeout:g} s: {self._advice}"
        )

    @property
    def _advice(self) -> str:
        return f"perhaps it speaks another parser than {self._codec.name!r}"

    def _spawn(self, coroutine: Any) -> asyncio.Task[None]:
        return asyncio.get_running_loop().create_task(coroutine, name=f"rtmsg socket {self._namespace}")
