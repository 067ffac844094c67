"""Errors of a peer that violated the protocol."""

from __future__ import annotations

from typing import Any, ClassVar

from .base import RtmsgError


class ProtocolError(RtmsgError):
    """The peer violated the protocol; the message names the rule."""


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
    """The data of a packet are not valid. Only this packet is refused; the connection stays open.

    Parameters
    ----------
    message : str
        What was wrong.
    type : int
        The type of the packet: a `PacketType`.
    namespace : str
        Its namespace.
    id : int or None
        The number of the acknowledgement that the packet asks for; of an ACK, its own.
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
        """The argument of the acknowledgement to the sender of the packet."""
        return {"error": {"code": self.code, "message": str(self)}}


class TooDeepJSON(PacketRefused):
    """The data of a packet are nested too deep."""

    code = "too_deep"
