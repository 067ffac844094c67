"""The last words of closed polling sessions, for the GET that comes too late to hear them in time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ..wire.engineio import CLOSE

if TYPE_CHECKING:
    from .session import Session

PATIENCE = 30.0  # seconds until nobody is expected any more (docs/protocol.md#engineio-closing)
_MOST = 10_000
_LARGEST = 16 << 20  # characters of all of them


class Farewells:
    """What is still to be answered, by session id."""

    def __init__(self) -> None:
        self._bodies: dict[str, tuple[Any, str]] = {}
        self._size = 0

    def add(self, session: Session, body: str) -> None:
        """Keep the last payload of a session."""
        if len(self._bodies) < _MOST and self._size + len(body) <= _LARGEST:
            self._bodies[session.id] = (session.user, body)
            self._size += len(body)
            asyncio.get_running_loop().call_later(PATIENCE, self._forget, session.id)

    def holds(self, id: str) -> bool:
        """Return whether more than a close packet waits for the client of a session."""
        return self._bodies.get(id, (None, CLOSE))[1] != CLOSE

    def take(self, id: str, user: Any) -> str | None:
        """Return the last payload of a session, once, to its own user."""
        whose, body = self._bodies.get(id, (None, None))
        if body is None or whose != user:
            return None
        self._forget(id)
        return body

    def _forget(self, id: str) -> None:
        _, body = self._bodies.pop(id, (None, ""))
        self._size -= len(body)
