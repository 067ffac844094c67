"""The order of a group's events with the same key: one of them leads, and the others wait for it. No clock, no I/O."""

from __future__ import annotations

from collections import deque

from .job import Job, JobState


class KeyQueues:
    """The events of each key, in log order.

    So that the events of one key do not fill the group's window, waiting ones may be *shed*: forgotten, to be read from
    the log again when the last one before them is settled. Until then later events of that key are not taken.

    Attributes
    ----------
    waiting : int
        The number of events that wait.
    shed : int
        The number of events that were shed, or were not taken after others had been.
    """

    # `_queues` has an entry for each key with a leader: None until an event waits, since most keys have one event.
    # `_shed` has the first position that was shed of a key.

    __slots__ = ("_queues", "_shed", "shed", "waiting")

    def __init__(self) -> None:
        self._queues: dict[bytes, deque[Job] | None] = {}
        self._shed: dict[bytes, int] = {}
        self.waiting = 0
        self.shed = 0

    def skips(self, key: bytes) -> bool:
        """Tell whether an event is to be read again later, as earlier events of its key were shed."""
        if key in self._shed:
            self.shed += 1
            return True
        return False

    def enter(self, job: Job, key: bytes | None) -> bool:
        """Take an event in log order, and return whether it leads, or has no key."""
        if key is None or key not in self._queues:
            job.lead(key)
            if key is not None:
                self._queues[key] = None
            return True
        queue = self._queues[key]
        if queue is None:
            queue = self._queues[key] = deque()
        queue.append(job)
        job.wait(key)
        self.waiting += 1
        return False

    def jump_queue(self, job: Job) -> None:
        """Note that a waiting event is about to be given out of turn."""
        if job.state is JobState.WAITING and not job.leads and job.key is not None:
            self.waiting -= 1

    def restore(self, job: Job, key: bytes | None) -> None:
        """Take an event that was given before. If another one leads its key, it is exempt from the order."""
        job.lead(None if key in self._queues else key)
        if job.key is not None:
            self._queues[job.key] = None

    def leave(self, job: Job) -> tuple[Job | None, int | None]:
        """Remove a settled event.

        Returns
        -------
        Job or None
            The event of its key that leads now.
        int or None
            The position of the first event that was shed, if its key has such events: read again from there.
        """
        key = job.key
        if not job.leads or key is None:
            return None, None
        queue = self._queues[key]
        while queue:
            following = queue.popleft()
            if following.state is JobState.WAITING:
                self.waiting -= 1
                following.lead(key)
                return following, None
        del self._queues[key]
        return None, min(self._shed.values()) if key in self._shed else None

    def shed_after(self, kept: int, read: int) -> list[Job]:
        """Shed the latest waiting events, so that ``kept`` of them stay, and return them.

        Those behind the position ``read`` do not count as shed: they will be read anyway. Copied ones stay, as the log
        may not have them any more.
        """
        waiting = [job for queue in self._queues.values() for job in queue or () if job.state is JobState.WAITING]
        gone = [job for job in sorted(waiting, key=lambda job: job.seq)[kept:] if not job.copied]
        lost = {job.seq for job in gone}
        for job in gone:
            assert job.key is not None
            self._shed[job.key] = min(job.seq, self._shed.get(job.key, job.seq))
        for key in {job.key for job in gone}:
            if key is not None and (queue := self._queues[key]):
                self._queues[key] = deque(job for job in queue if job.seq not in lost)
        self.waiting -= len(gone)
        self.shed += sum(job.seq <= read for job in gone)
        return gone

    def read_again(self) -> None:
        """Forget what was shed, since the group reads from there again."""
        self._shed.clear()
        self.shed = 0
