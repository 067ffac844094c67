"""Errors of a client: it could not connect, send or wait, or it was called in a wrong way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .base import OneLine, RtmsgError


class ConnectionRefused(OneLine, RtmsgError):
    """Raised by a middleware to refuse a CONNECT, and by the refused client.

    The packet is a CONNECT_ERROR (docs/protocol.md#socketio-namespaces).

    Parameters
    ----------
    message : str
        Shown to the client.
    data : object, optional
        Any JSON value, sent with the message.
    """

    def __init__(self, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.message = message
        self.data = data


class ConnectError(OneLine, RtmsgError):
    """The first connection of a client failed."""


class ServerNotFound(ConnectError):
    """No server was found; the message lists everything that was tried."""


class ServerUnreachable(ConnectError):
    """The server did not answer in time."""


class AccessDenied(ConnectError):
    """The server refused the token, or the client sent none.

    Attributes
    ----------
    forbidden : bool
        Whether a valid token was refused: its user, or the origin of the request, may not connect.
    """

    def __init__(self, *args: object, forbidden: bool = False) -> None:
        super().__init__(*args)
        self.forbidden = forbidden


class NotDurableError(ConnectError):
    """The hub keeps events in memory only, and ``durable=True`` was given."""


class NotDurable(UserWarning):
    """The hub keeps events in memory only, and they are lost when the server stops. The text says why."""


class EmitTimeout(OneLine, RtmsgError, TimeoutError):
    """The hub did not acknowledge in time; the event stays queued and may still be stored."""


class _Unanswered(OneLine, RtmsgError):
    """A peer did not acknowledge an event.

    Parameters
    ----------
    message : str
    responses : sequence, optional
        The answers that did arrive, for an event to several peers.
    missing : sequence of str, optional
        The ids of the sockets that did not answer, on a server.
    """

    def __init__(self, message: str, responses: Sequence[Any] = (), missing: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.responses = list(responses)
        self.missing = list(missing)


class AckTimeout(_Unanswered, TimeoutError):
    """A peer did not acknowledge in time."""


class QueueFull(OneLine, RtmsgError):
    """Too many events wait for the next connection."""


class NotJSON(OneLine, RtmsgError, TypeError, ValueError):
    """A value cannot be sent: it is neither JSON nor bytes."""


class ExportError(OneLine, RtmsgError, ValueError):
    """Events do not fit into a file, or a file has something else than exported events; the message says where."""


class WrongCall(OneLine, RtmsgError, TypeError):
    """A function or method was called with wrong arguments; the message says what to write."""


class WrongName(OneLine, RtmsgError, AttributeError):
    """An object has no such attribute; the message says what to write."""


class Disconnected(_Unanswered, ConnectionError):
    """The connection ended while a call waited for an answer."""
