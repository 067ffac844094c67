"""Every error that this package raises on purpose.

::

    RtmsgError
    ├── ProtocolError              the peer broke the protocol: its connection is closed
    │   ├── WebSocketError         ... on the WebSocket layer, with the close code it is sent
    │   └── PacketRefused          ... in the data of one packet, which is refused alone: the connection goes on
    │       └── TooDeepJSON
    ├── CommandError               the hub refused a command; one class per code
    │   ├── Unauthorized  Forbidden  BadRequest  UnknownCommand  BadRoom  BadEvent  ReservedEvent
    │   ├── TooLarge  TooDeep  NotJoined  EpochMismatch  Conflict  LimitExceeded  RateExceeded
    │   ├── IdConflict  BadProof
    │   └── Busy  Full  DiskError  Shutdown  Internal
    ├── ConnectionRefused          what a middleware raises to refuse a CONNECT, and what the refused client gets
    ├── LogError                   the log cannot do what it was asked
    │   ├── LogBusy  LogFull  LogDiskError  LogClosed
    │   ├── LogConflict  LogIdConflict
    │   └── EpochChanged
    ├── ConnectError               the client cannot reach a hub
    │   ├── ServerNotFound  ServerUnreachable
    │   ├── AccessDenied
    │   └── NotDurableError        ... or one that keeps events, where that was asked for
    ├── EmitTimeout  AckTimeout    (also TimeoutError)
    ├── QueueFull                  too many events wait for a connection
    ├── NotJSON                    (also TypeError and ValueError)
    ├── WrongCall                  (also TypeError) a call that the message writes as it should be
    ├── WrongName                  (also AttributeError) a name that is not there; the message has the one that is
    └── Disconnected               the connection ended, or was closed, while something waited for it

The type says who is at fault: ``ProtocolError`` the peer, ``CommandError``, ``NotJSON``, ``WrongCall`` and
``WrongName`` the caller. What a caller
did, or can mend, is told by a notebook in one line, without a traceback through this package.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any, ClassVar


class RtmsgError(Exception):
    """The root of all errors of this package."""


class _OneLine(Exception):
    """What IPython shows in one line: the error and where the caller's own code stood."""

    def _render_traceback_(self) -> list[str]:  # the name is IPython's
        return [f"{type(self).__name__}: {self}{_line(self.__traceback__)}"]


def _line(trace: TracebackType | None) -> str:
    """Return the innermost line of the traceback that is not in this package."""
    said = ""
    while trace:
        code = trace.tb_frame.f_code
        if not _is_inside(trace.tb_frame.f_globals.get("__name__", "")):
            within = "" if code.co_name.startswith("<") else f" of {code.co_name}()"
            said = f" (line {trace.tb_lineno}{within})"
        trace = trace.tb_next
    return said


def _is_inside(module: str) -> bool:
    return module.partition(".")[0] in ("jupyter_rtmsg", "IPython", "asyncio", "concurrent")


class ProtocolError(RtmsgError):
    """The peer sent what its protocol does not allow; the message names the rule."""


class WebSocketError(ProtocolError):
    """A violation of RFC 6455.

    Parameters
    ----------
    message : str
        What was wrong.
    code : int
        The close code to answer with (RFC 6455, section 7.4.1).
    """

    def __init__(self, message: str, code: int = 1002) -> None:
        super().__init__(message)
        self.code = code


class PacketRefused(ProtocolError):
    """The data of a packet cannot be taken: the packet is refused, its connection goes on.

    Parameters
    ----------
    message : str
        What was wrong.
    type : int
        The type of the packet: a `PacketType`.
    namespace : str
        Its namespace.
    id : int or None
        The number of the acknowledgement that it asks for, or is.
    payload : str or bytes, optional
        The JSON that was not decoded.
    """

    code: ClassVar[str] = "bad_data"

    def __init__(
        self, message: str, type: int, namespace: str, id: int | None, payload: str | bytes | None = None
    ) -> None:
        super().__init__(message)
        self.payload = payload
        self.type = type
        self.namespace = namespace
        self.id = id

    @property
    def answer(self) -> dict[str, Any]:
        """What the sender of the packet is told in its acknowledgement."""
        return {"error": {"code": self.code, "message": str(self)}}


class TooDeepJSON(PacketRefused):
    """The data of a packet is nested too deep."""

    code = "too_deep"


class CommandError(_OneLine, RtmsgError):
    """The hub refused a command. ``code`` is part of the API, see docs/wire.md.

    Attributes
    ----------
    code : str
    transient : bool
        Whether the same command may be taken a little later.
    """

    code: ClassVar[str] = "internal"
    transient: ClassVar[bool] = False

    @property
    def message(self) -> str:
        """The text of the error."""
        return str(self.args[0]) if self.args else self.code

    @staticmethod
    def of(code: str, message: str, retry: float = 0.0) -> CommandError:
        """Make the error that belongs to a code received over the wire, with the seconds of its ``retry``."""
        if code == RateExceeded.code:
            return RateExceeded(message, retry)
        return COMMAND_ERRORS.get(code, Internal)(message)


class Unauthorized(CommandError):
    code = "unauthorized"


class Forbidden(CommandError):
    code = "forbidden"


class BadRequest(CommandError):
    code = "bad_request"


class UnknownCommand(CommandError):
    code = "unknown_command"


class BadRoom(CommandError):
    code = "bad_room"


class BadEvent(CommandError):
    code = "bad_event"


class ReservedEvent(CommandError):
    code = "reserved_event"


class TooLarge(CommandError):
    code = "too_large"


class TooDeep(CommandError):
    code = "too_deep"


class NotJoined(CommandError):
    code = "not_joined"


class EpochMismatch(CommandError):
    code = "epoch"


class Conflict(CommandError):
    code = "conflict"


class IdConflict(CommandError):
    code = "id_conflict"


class LimitExceeded(CommandError):
    code = "limit"


class RateExceeded(CommandError):
    code = "rate"
    transient = True

    def __init__(self, message: str = "", retry: float = 0.0) -> None:
        super().__init__(message)
        self.retry = retry  # seconds after which the command may be taken; 0: not known


class Busy(CommandError):
    code = "busy"
    transient = True


class Full(CommandError):
    code = "full"
    transient = True


class DiskError(CommandError):
    code = "io"
    transient = True


class BadProof(CommandError):
    code = "bad_proof"


class Shutdown(CommandError):
    code = "shutdown"
    transient = True


class Internal(CommandError):
    code = "internal"
    transient = True


COMMAND_ERRORS: dict[str, type[CommandError]] = {error.code: error for error in CommandError.__subclasses__()}


class ConnectionRefused(_OneLine, RtmsgError):
    """Raised by a middleware to refuse a CONNECT, and by the client that was refused.

    The packet is a CONNECT_ERROR (docs/protocol.md#socketio-namespaces).

    Parameters
    ----------
    message : str
        Shown to the client.
    data : object, optional
        Any JSON value that goes with it.
    """

    def __init__(self, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.message = message
        self.data = data


class LogError(RtmsgError):
    """The log cannot do what it was asked."""


class LogBusy(LogError):
    """Too many appends wait for the disk."""


class LogFull(LogError):
    """There is no room on the disk, or the user's quota there is used up."""


class LogDiskError(LogError):
    """The disk of the log fails, or went read-only: what was to be stored is refused until it works again."""


class LogConflict(LogError):
    """``expect`` did not match the head of the room."""


class LogIdConflict(LogError):
    """The id of an append belongs to another event of this publisher in the room."""


class LogClosed(LogError):
    """The log was closed."""


class EpochChanged(LogError):
    """The log was lost or replaced: positions of the old epoch mean nothing any more.

    Parameters
    ----------
    message : str
    position : int, optional
        Where to follow the new log from; without it, from its head.
    """

    def __init__(self, message: str, position: int | None = None) -> None:
        super().__init__(message)
        self.position = position


class ConnectError(_OneLine, RtmsgError):
    """The client could not connect for the first time."""


class ServerNotFound(ConnectError):
    """No server was found; the message lists everything that was tried."""


class ServerUnreachable(ConnectError):
    """The server did not answer in time."""


class AccessDenied(ConnectError):
    """The server refused the token, or there was none.

    Attributes
    ----------
    forbidden : bool
        Whether a valid token was refused: its user, or the origin of the request, may not connect.
    """

    def __init__(self, *args: object, forbidden: bool = False) -> None:
        super().__init__(*args)
        self.forbidden = forbidden


class NotDurableError(ConnectError):
    """The hub keeps events in memory only, and the client was to connect with ``durable=True``."""


class NotDurable(UserWarning):
    """What is emitted is kept in memory only, and would be lost with the server; the text says why."""


class EmitTimeout(_OneLine, RtmsgError, TimeoutError):
    """The hub did not acknowledge in time; the event stays queued and may still be stored."""


class _Unanswered(_OneLine, RtmsgError):
    """Somebody did not acknowledge.

    Parameters
    ----------
    message : str
        What was waited for.
    responses : sequence, optional
        The answers that did come, of an event that was emitted to several.
    missing : sequence of str, optional
        The ids of the sockets that did not answer, on a server.
    """

    def __init__(self, message: str, responses: Sequence[Any] = (), missing: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.responses = list(responses)
        self.missing = list(missing)


class AckTimeout(_Unanswered, TimeoutError):
    """A peer did not acknowledge in time."""


class QueueFull(_OneLine, RtmsgError):
    """Too many events wait for the connection to come back."""


class NotJSON(_OneLine, RtmsgError, TypeError, ValueError):
    """A value cannot be sent: it is neither JSON nor bytes."""


class WrongCall(_OneLine, RtmsgError, TypeError):
    """Something cannot be called like this; the message says what to write."""


class WrongName(_OneLine, RtmsgError, AttributeError):
    """An object has no such attribute; the message says what to write."""


class Disconnected(_Unanswered, ConnectionError):
    """The connection ended while something waited for its answer."""
