"""What a session and its transport ask of each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ..errors import ProtocolError

if TYPE_CHECKING:
    from .outbox import Backlog
    from .turns import Share
    from .websocket import WebSocketTransport


class Peer(Protocol):
    """What a transport asks of whoever it works for: a `Session`, or the candidate of an `Upgrade`."""

    @property
    def share(self) -> Share:
        """What its principal has of the event loop."""

    @property
    def max_size(self) -> int:
        """The largest message that is accepted now, in bytes."""

    def opened(self, transport: WebSocketTransport) -> None:
        """The transport is ready."""

    def receive(self, packet: str | bytes) -> None:
        """Take a packet."""

    def hold(self, size: int) -> None:
        """Count bytes that are kept of a message; a negative size gives them back."""

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

    @property
    def unsent(self) -> int:
        """Bytes that it took and that the peer has not taken yet, as far as the operating system tells."""

    def take(self, backlog: Backlog) -> int:
        """Write a piece of what waits; return its bytes. Only while it is not paused."""

    def set_max_size(self, size: int) -> None:
        """Change the largest message, in bytes."""

    def pause_reading(self) -> None:
        """Read nothing more for now."""

    def resume_reading(self) -> None:
        """Read on."""

    @property
    def abandoned(self) -> bool:
        """Whether the peer of a transport that is read no more has closed its side."""

    def close(self, code: int = 1000, reason: str = "", backlog: Backlog | None = None, *, late: bool = True) -> None:
        """Write what waits, as far as the peer reads, then say goodbye.

        Parameters
        ----------
        code : int
        reason : str
        backlog : Backlog, optional
            Belongs to the transport from now on.
        late : bool
            Whether a poll that comes later is answered, too.
        """

    def abort(self) -> None:
        """Drop the connection at once."""
