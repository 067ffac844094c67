"""The last payloads of closed polling sessions, for GETs that come after the close."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
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
        self._bodies: dict[str, tuple[Any, tuple[str, ...]]] = {}
        self._size = 0

    def add(self, session: Session, bodies: Sequence[str]) -> None:
        """Keep the last payloads of a session, one for each GET."""
        size = sum(map(len, bodies))
        if len(self._bodies) < _MOST and self._size + size <= _LARGEST:
            self._bodies[session.id] = (session.user, tuple(bodies))
            self._size += size
            asyncio.get_running_loop().call_later(PATIENCE, self.forget, session.id)

    def holds(self, id: str) -> bool:
        """Return whether more than a close packet waits for the client of a session."""
        return self._bodies.get(id, (None, (CLOSE,)))[1][0] != CLOSE

    def take(self, id: str, user: Any) -> str | None:
        """Return the next of the last payloads of a session, once, to its own user."""
        whose, bodies = self._bodies.get(id, (None, ()))
        if not bodies or whose != user:
            return None
        body, *rest = bodies
        if rest:
            self._bodies[id] = (user, tuple(rest))
            self._size -= len(body)
        else:
            self.forget(id)
        return body

    def forget(self, id: str) -> None:
        """Drop the last payloads of a session."""
        _, bodies = self._bodies.pop(id, (None, ()))
        self._size -= sum(map(len, bodies))
