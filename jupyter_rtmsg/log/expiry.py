"""Expiry: which events and retained values are past their time. `Retention` deletes them."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from jupyter_rtmsg.wire.data import encode_json

from .clock import LogClock, stamp
from .records import EXPIRED, Record
from .retained import Kept, remove_expired
from .state import LogState
from .store import Store

_NEXT = "SELECT min(expires) FROM event INDEXED BY event_expires WHERE expires > 0"
_DUE = "SELECT seq FROM event INDEXED BY event_expires WHERE expires > 0 AND expires <= ? ORDER BY expires LIMIT ?"
_NOBODY = b'{"kind":"hub"}'


class Expiry:
    """Knows which events and values have expired, and when the next one does. Owned by the writer's thread.

    Parameters
    ----------
    store : Store
    state : LogState
    clock : LogClock
    """

    # `LogState.next_expiry` has the time at which something may be due; `plan` sets it anew when nothing is left.
    # `_expired` has the announcements for the members, until the writer publishes them.

    def __init__(self, store: Store, state: LogState, clock: LogClock) -> None:
        self._store = store
        self._state = state
        self._clock = clock
        self._expired: list[Record] = []
        self.plan()

    def plan(self) -> None:
        """Find out when the next event or value expires."""
        event = self._store.connection.execute(_NEXT).fetchone()[0]
        due = [each for each in (event, self._state.retained.next_expiry()) if each is not None]
        self._state.expire_at(min(due, default=inf))

    def due_events(self, most: int) -> Sequence[int]:
        """Return the positions of expired events, to be deleted, at most ``most``."""
        rows = self._store.connection.execute(_DUE, (self._clock.time, most)).fetchall()
        return [seq for (seq,) in rows]

    def remove_values(self) -> set[str]:
        """Delete the values that have expired, and return the names of their rooms."""
        state, now = self._state, self._clock.time
        expired = state.retained.expired(now)
        if not expired:
            return set()
        with self._store.transaction() as connection:
            remove_expired(connection, expired)
        for id, key, _ in expired:
            state.retained.put(id, key, None)
        names = {state.names[id] for id, _, _ in expired if id in state.names}
        for name in names:
            room = state.rooms[name]
            room.retain(state.retained.count(room.id))
            self._announce(name, [(key, kept) for id, key, kept in expired if id == room.id])
        return names

    def take_announcements(self) -> list[Record]:
        """Return what the members have to be told since the last call."""
        expired, self._expired = self._expired, []
        return expired

    def _announce(self, room: str, gone: Sequence[tuple[str, Kept]]) -> None:
        data = encode_json({"room": room, "keys": {key: kept.seq for key, kept in gone}})
        ts = stamp(self._clock.wall, self._state.ts)
        self._expired.append(Record(room, None, None, ts, EXPIRED, data, (), _NOBODY, "", None))
