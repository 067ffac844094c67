"""The WebSocket transport of a connection that has agreed on permessage-deflate."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

from ..wire.deflate import DeflateParser
from .websocket import WebSocketTransport

if TYPE_CHECKING:
    from .transport import Peer


class DeflateTransport(WebSocketTransport):
    """Takes compressed messages, and compresses what is worth it: each packet once for all of its receivers.

    Nothing is kept from one message to the next, so an idle connection costs no more memory than one without.

    Parameters
    ----------
    peer : Peer
        The session, or the candidate of an upgrade.
    early : bytes
        What the peer had sent behind its request before the connection was handed over.
    """

    __slots__ = ()
    _form = attrgetter("deflated")

    def __init__(self, peer: Peer, early: bytes = b"") -> None:
        super().__init__(peer, early)
        self._parser = DeflateParser(masked=True, max_size=peer.max_size)
