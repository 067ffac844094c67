"""What a session and its transport ask of each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from ..errors import ProtocolError
from ..wire.socketio import Encoded

if TYPE_CHECKING:
    from .websocket import WebSocketTransport


class Peer(Protocol):
    """What a transport asks of whoever it works for: a `Session`, or the candidate of an `Upgrade`."""

    @property
    def max_size(self) -> int:
        """The largest message that is accepted now, in bytes."""

    def opened(self, transport: WebSocketTransport) -> None:
        """The transport is ready."""

    def receive(self, packet: str | bytes) -> None:
        """Take a packet."""

    def flush(self) -> None:
        """Write what waits; what the transport does not take waits on, counted."""

    def writable(self) -> None:
        """The transport takes more."""

    def violated(self, error: ProtocolError) -> None:
        """The peer broke the protocol."""

    def ended(self, reason: str) -> None:
        """The connection is gone."""


class Transport(Protocol):
    """What a session asks of its transport.

    Attributes
    ----------
    paused : bool
        Whether it takes nothing for now.
    """

    paused: bool

    @property
    def name(self) -> str:
        """``"polling"`` or ``"websocket"``."""

    @property
    def deaf_until(self) -> float:
        """When reading was last resumed, in the loop's time: now, if it is still paused."""

    def send_all(self, outbox: list[Encoded]) -> list[Encoded]:
        """Write as many packets as it takes and return the others."""

    def set_max_size(self, size: int) -> None:
        """Change the largest message, in bytes."""

    def pause_reading(self) -> None:
        """Read nothing more for now."""

    def resume_reading(self) -> None:
        """Read on."""

    def close(self, code: int = 1000, reason: str = "", rest: Sequence[Encoded] | None = ()) -> None:
        """Say goodbye, after the ``rest`` if that can still be written. None: nobody is expected to come for it."""
