"""The workers of a group, and which of them gets the next event. No clock and no I/O."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush
from itertools import count
from typing import Any

from .job import Job


class Worker:
    """A member that works for a group.

    It is *here*, or *away* after its connection was lost. While it is away its places are not used, and it keeps what
    it holds until the grace time is over.

    Parameters
    ----------
    key : str
        The member's id, the same for all connections of a client.
    name : str
        The name to show.
    connection : object
        Where its events are sent; the group does not use it.
    places : int
        Events that it may hold at once.

    Attributes
    ----------
    held : dict of int to Job
        What it holds, by seq.
    overdue : set of (int, int)
        Deliveries that were taken from it since it did not answer in time. It may still run them, so they use places.
    away_until : float or None
        When the grace time is over; None while it is here.
    alone : bool
        Whether it gets no further events: it holds an event that must be alone, or is to get one.
    """

    __slots__ = ("alone", "away_until", "connection", "held", "key", "name", "overdue", "places", "stamp")

    def __init__(self, key: str, name: str, connection: Any, places: int) -> None:
        self.key = key
        self.name = name
        self.connection = connection
        self.places = places
        self.held: dict[int, Job] = {}
        self.overdue: set[tuple[int, int]] = set()
        self.away_until: float | None = None
        self.alone = False
        self.stamp = 0

    @property
    def free(self) -> int:
        """Places for further events."""
        if self.alone or self.away_until is not None:
            return 0
        return self.places - len(self.held) - len(self.overdue)

    @property
    def is_empty(self) -> bool:
        """Whether it holds nothing."""
        return not self.held and not self.overdue

    def come(self, connection: Any, places: int) -> None:
        """Work on another connection, or with another number of places."""
        self.connection, self.places, self.away_until = connection, places, None

    def go_away(self, until: float) -> None:
        """Note that its connection was lost."""
        self.away_until = until

    def stay_alone(self, alone: bool) -> None:
        """Get no further events, or get them again."""
        self.alone = alone

    def stamped(self, stamp: int) -> None:
        """Note its latest entry in the heap of `Workers`."""
        self.stamp = stamp


class Workers:
    """All workers of a group. The one with the most free places comes first; among equals, the one that waits longest.

    Attributes
    ----------
    places : int
        Places of all workers.
    """

    # Each change of a worker's free places gives it a new stamp, and an entry in `_heap` if it has free places. Entries
    # with an old stamp are skipped. `_isolated` counts the workers that are alone.

    __slots__ = ("_heap", "_isolated", "_stamps", "_workers", "places")

    def __init__(self) -> None:
        self._workers: dict[str, Worker] = {}
        self._heap: list[tuple[int, int, Worker]] = []
        self._stamps = count(1)
        self._isolated = 0
        self.places = 0

    def __len__(self) -> int:
        return len(self._workers)

    def __iter__(self) -> Iterator[Worker]:
        return iter(self._workers.values())

    def get(self, key: str) -> Worker | None:
        """Return a worker, or None."""
        return self._workers.get(key)

    @property
    def here(self) -> int:
        """The number of workers that are here."""
        return sum(worker.away_until is None for worker in self)

    def add(self, worker: Worker) -> None:
        """Add a worker."""
        self._workers[worker.key] = worker
        self.places += worker.places
        self._changed(worker)

    def come(self, worker: Worker, connection: object, places: int) -> None:
        """Note that a worker works on another connection, or with another number of places."""
        self.places += places - worker.places
        worker.come(connection, places)
        self._changed(worker)

    def lose(self, worker: Worker, until: float) -> None:
        """Note that the connection of a worker was lost."""
        worker.go_away(until)
        self._changed(worker)

    def leave(self, worker: Worker) -> None:
        """Remove a worker. One that still holds something stays until it has answered, without places for more."""
        if worker.held:
            self.come(worker, worker.connection, 0)
        else:
            self.remove(worker)

    def remove(self, worker: Worker) -> None:
        """Remove a worker."""
        self.isolate(worker, False)
        del self._workers[worker.key]
        self.places -= worker.places
        worker.stamped(0)

    def hand(self, worker: Worker, job: Job) -> None:
        """Note that an event was given to a worker."""
        worker.held[job.seq] = job
        self._changed(worker)

    def take(self, worker: Worker, job: Job) -> None:
        """Note that an event was taken from a worker."""
        del worker.held[job.seq]
        if worker.stamp:
            self._changed(worker)

    def overdue(self, worker: Worker, job: Job) -> None:
        """Note that a worker did not answer in time, and may still run an event."""
        worker.overdue.add((job.seq, job.attempt))
        self._changed(worker)

    def answered(self, worker: Worker, seq: int, attempt: int) -> None:
        """Note that a worker does not run an event any more that it did not answer for in time."""
        if worker.overdue and (seq, attempt) in worker.overdue:
            worker.overdue.discard((seq, attempt))
            self._changed(worker)

    def best(self) -> Worker | None:
        """Return the worker with the most free places; None if no place is free."""
        heap = self._heap
        while heap:
            _, stamp, worker = heap[0]
            if worker.stamp == stamp:
                return worker
            heappop(heap)
        return None

    def _changed(self, worker: Worker) -> None:
        stamp = next(self._stamps)
        worker.stamped(stamp)
        free = worker.free
        if free > 0:
            heappush(self._heap, (-free, stamp, worker))

    # --- events that are given to a worker alone

    def isolate(self, worker: Worker, alone: bool) -> None:
        """Give a worker no further events, or give it events again."""
        if worker.alone is not alone:
            worker.stay_alone(alone)
            self._isolated += 1 if alone else -1
            self._changed(worker)

    @property
    def isolated(self) -> bool:
        """Whether a worker is alone."""
        return self._isolated > 0

    def emptied(self) -> Worker | None:
        """Return a worker that holds nothing. If there is none, isolate one, so that it empties, and return None."""
        here = [worker for worker in self if worker.away_until is None and worker.places > 0]
        empty = next((worker for worker in here if worker.is_empty), None)
        if empty is None and here and not any(worker.alone for worker in here):
            self.isolate(min(here, key=lambda worker: len(worker.held) + len(worker.overdue)), True)
        return empty

    def release_empty(self) -> None:
        """Give events again to workers that were isolated, and hold nothing that must be alone."""
        for worker in self if self._isolated else ():
            if worker.alone and not any(job.suspect for job in worker.held.values()):
                self.isolate(worker, False)
