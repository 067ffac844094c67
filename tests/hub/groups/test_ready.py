"""The events that may be given now."""

from __future__ import annotations

from support.groups import record

from jupyter_rtmsg.hub.groups.job import Job
from jupyter_rtmsg.hub.groups.ready import ReadyJobs


def test_events_are_taken_in_log_order_and_each_once() -> None:
    jobs = {seq: Job(record(seq, seq)) for seq in (1, 2, 3, 4)}
    ready = ReadyJobs(jobs)
    for seq in (3, 1, 2, 4, 2, 1):  # those that were loaded again are there twice
        ready.add(jobs[seq])
    assert [job.seq for job in ready.take(3)] == [1, 2, 3]
    assert [job.seq for job in ready.take(3)] == [4]
    assert ready.take(3) == []
