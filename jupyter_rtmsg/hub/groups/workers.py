"""The workers of a group, and which of them gets the next event. No clock and no I/O."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from heapq import heappop, heappush, heapreplace
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
    batches : bool
        Whether its connection takes several events in one message; the group does not use it.
    """

    __slots__ = ("alone", "away_until", "batches", "connection", "held", "key", "name", "overdue", "places", "stamp")

    def __init__(self, key: str, name: str, connection: Any, places: int, batches: bool) -> None:
        self.key = key
        self.name = name
        self.connection = connection
        self.places = places
        self.batches = batches
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

    def come(self, connection: Any, places: int, batches: bool) -> None:
        """Work on another connection, or with another number of places."""
        self.connection, self.places, self.batches, self.away_until = connection, places, batches, None

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
    given : int
        Events that workers hold.
    """

    # Each change of a worker's free places gives it a new stamp, and an entry in `_heap` if it has free places. Entries
    # with an old stamp are skipped. `_isolated` counts the workers that are alone.

    __slots__ = ("_heap", "_isolated", "_stamps", "_workers", "given", "places")

    def __init__(self) -> None:
        self._workers: dict[str, Worker] = {}
        self._heap: list[tuple[int, int, Worker]] = []
        self._stamps = count(1)
        self._isolated = 0
        self.places = 0
        self.given = 0

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

    def join(self, key: str, name: str, connection: object, places: int, batches: bool) -> Worker:
        """Add a worker, or note that it is back; return it."""
        worker = self._workers.get(key)
        if worker is not None:
            self.come(worker, connection, places, batches)
            return worker
        worker = self._workers[key] = Worker(key, name, connection, places, batches)
        self.places += places
        self._changed(worker)
        return worker

    def come(self, worker: Worker, connection: object, places: int, batches: bool) -> None:
        """Note that a worker works on another connection, or with another number of places."""
        self.places += places - worker.places
        worker.come(connection, places, batches)
        self._changed(worker)

    def lose(self, worker: Worker, until: float) -> None:
        """Note that the connection of a worker was lost."""
        worker.go_away(until)
        self._changed(worker)

    def leave(self, worker: Worker) -> None:
        """Remove a worker. One that still holds something stays until it has answered, without places for more."""
        if worker.held:
            self.come(worker, worker.connection, 0, worker.batches)
        else:
            self.remove(worker)

    def remove(self, worker: Worker) -> None:
        """Remove a worker."""
        self.isolate(worker, False)
        del self._workers[worker.key]
        self.places -= worker.places
        worker.stamped(0)

    def hand(self, worker: Worker, jobs: Collection[Job]) -> None:
        """Note that events were given to a worker."""
        worker.held.update((job.seq, job) for job in jobs)
        self.given += len(jobs)
        self._changed(worker)

    def take(self, worker: Worker, seqs: Collection[int]) -> None:
        """Note that events were taken from a worker."""
        for seq in seqs:
            del worker.held[seq]
        self.given -= len(seqs)
        if worker.stamp and seqs:
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

    def lead(self, worker: Worker) -> int:
        """Return how many events the best worker may get until another one is the best."""
        heap = self._heap
        return worker.free if len(heap) == 1 else max(1, worker.free + max(each[0] for each in heap[1:3]))

    def _changed(self, worker: Worker) -> None:
        heap, stamp, free = self._heap, next(self._stamps), worker.free
        is_best = bool(heap) and heap[0][1] == worker.stamp  # as it is whenever it has just been given an event
        worker.stamped(stamp)
        if free > 0:
            (heapreplace if is_best else heappush)(heap, (-free, stamp, worker))
        elif is_best:
            heappop(heap)

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
