"""Who works for which group, stored so that a hub knows after its start for whom it has to wait.

After a start, events that may be with a worker are held back until all workers of before are accounted for: they are
back, are known to have ended, or the grace time is over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from hashlib import blake2b

import msgspec

from jupyter_rtmsg.log import EventLog, StoredGroup
from jupyter_rtmsg.logthrottle import throttled_logger
from jupyter_rtmsg.process import ProcessName

from .endings import EndedProcesses
from .workers import Workers

_PREFIX = "worker:"
_KEPT = 10 * 366 * 86_400.0  # seconds for which a row is stored at most

GroupKey = tuple[str, str]  # room and name

logger = throttled_logger(__name__)


class _Row(msgspec.Struct, frozen=True):
    """What is stored of a worker: its group, its member's id, and the name of its process, if it has given one."""

    room: str
    group: str
    member: str
    process: tuple[str, int, int] | None

    @property
    def key(self) -> str:
        return _PREFIX + blake2b("\0".join((self.room, self.group, self.member)).encode(), digest_size=16).hexdigest()


class Attendance:
    """The workers of all groups: those of this hub, and those of the hub before that are still awaited.

    Parameters
    ----------
    log : EventLog
        Its key-value store has the workers.
    endings : EndedProcesses
    grace : float
        Seconds after the start for which former workers are awaited.
    accounted : callable
        ``accounted(key)`` is called when no former worker of a group is awaited any more.
    """

    # `_present` and `_awaited` have the rows of each group by member. A row is stored from `come` until `keep_only`
    # drops it. Rows of former workers that do not come back are dropped when they are not awaited any more.

    def __init__(
        self, log: EventLog, endings: EndedProcesses, grace: float, accounted: Callable[[GroupKey], None]
    ) -> None:
        self._log, self._endings = log, endings
        self._grace = grace
        self._accounted = accounted
        self._present: dict[GroupKey, dict[str, _Row]] = {}
        self._awaited: dict[GroupKey, dict[str, _Row]] = {}
        self._timer: asyncio.TimerHandle | None = None

    async def load(self) -> None:
        """Load the workers of the hub before, and wait for them."""
        for key, value, _ in await self._log.key_values.all():
            if not key.startswith(_PREFIX):
                continue
            try:
                row: _Row = msgspec.msgpack.decode(value, type=_Row)
            except msgspec.DecodeError as error:
                logger.warning("a worker's row is damaged on disk, and dropped: %s", error)
                self._log.key_values.put(key, None, 0.0)
                continue
            self._awaited.setdefault((row.room, row.group), {})[row.member] = row
        for group, rows in list(self._awaited.items()):
            for row in list(rows.values()):
                if row.process is not None:
                    self._endings.watch(ProcessName(*row.process), partial(self.accounted_for, group, row.member))
        if self._awaited:
            self._timer = asyncio.get_running_loop().call_later(self._grace, self._give_up)

    def awaits(self, key: GroupKey) -> bool:
        """Tell whether a former worker of a group is awaited."""
        return key in self._awaited

    def accounted_for(self, key: GroupKey, member: str) -> None:
        """Await a former worker no more: it is back, and has named what it holds, or it has ended."""
        rows = self._awaited.get(key, {})
        row = rows.pop(member, None)
        if row is None:
            return
        if member not in self._present.get(key, {}):
            self._drop(row)
        if not rows:
            del self._awaited[key]
            self._accounted(key)

    # --- the workers of this hub

    def come(self, group: StoredGroup, member: str, process: ProcessName | None) -> asyncio.Future[None] | None:
        """Store a worker, before it gets its first event. Return when that is done; None if it is."""
        row = _Row(group.room, group.name, member, process and (process.machine, process.pid, process.started))
        rows = self._present.setdefault((group.room, group.name), {})
        if rows.get(member) == row:
            return None
        rows[member] = row
        return self._save(row)

    def process_of(self, group: StoredGroup, member: str) -> ProcessName | None:
        """Return the name of a worker's process, if it has given one."""
        row = self._present.get((group.room, group.name), {}).get(member)
        return None if row is None or row.process is None else ProcessName(*row.process)

    def keep_only(self, group: StoredGroup, workers: Workers) -> None:
        """Drop those workers of a group that are gone."""
        key = (group.room, group.name)
        rows = self._present.get(key, {})
        if len(rows) > len(workers):  # each worker has a row
            for member in [member for member in rows if workers.get(member) is None]:
                self._drop(rows.pop(member))
            if not rows:
                del self._present[key]

    def forget(self, group: StoredGroup) -> None:
        """Drop all workers of a deleted group."""
        key = (group.room, group.name)
        for rows in (self._present.pop(key, {}), self._awaited.pop(key, {})):
            for row in rows.values():
                self._drop(row)

    def save_again(self) -> None:
        """Store all workers, since the log was replaced."""
        for rows in self._present.values():
            for row in rows.values():
                self._save(row)

    def close(self) -> None:
        """Wait for nobody any more."""
        if self._timer is not None:
            self._timer.cancel()

    def _give_up(self) -> None:
        for key, rows in list(self._awaited.items()):
            for member in list(rows):
                self.accounted_for(key, member)

    def _save(self, row: _Row) -> asyncio.Future[None]:
        return self._log.key_values.put(row.key, msgspec.msgpack.encode(row), self._log.now() / 1000 + _KEPT)

    def _drop(self, row: _Row) -> None:
        self._log.key_values.put(row.key, None, 0.0)
