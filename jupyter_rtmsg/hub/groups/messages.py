"""Messages with deliveries for a worker: one event in each, or several for connections that take batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from jupyter_rtmsg.hub.encode import encode_work, encode_work_batch, encode_work_entry
from jupyter_rtmsg.log import Record
from jupyter_rtmsg.wire.socketio import Encoded

from .job import Job

BATCH_BYTES = 64 << 10
"""Size from which on a batch is complete."""
SHALLOW = 32
"""Opening brackets in the data of an event in a batch, at most: so a batch is not nested too deeply for any client."""

_FIRST: dict[str, Any] = {}


def work_messages(room: str, group: str, jobs: Iterable[Job], *, batches: bool) -> list[Encoded]:
    """Encode deliveries to one worker, in order.

    Parameters
    ----------
    room, group : str
    jobs : iterable of Job
    batches : bool
        Whether the worker takes batches. Events with attachments, or with data that are large or may be nested deeply,
        are in messages of their own.
    """
    if batches:
        return list(_batches(room, group, jobs))
    return [_single(group, job) for job in jobs]


def _single(group: str, job: Job) -> Encoded:
    return encode_work(job.record, group, job.attempt, job.deliveries, _redelivery(job))


def _batches(room: str, group: str, jobs: Iterable[Job]) -> Iterator[Encoded]:
    entries: list[bytes] = []
    size, sender = 0, b""
    for job in jobs:
        record = job.record
        if not _fits(record):
            if entries:
                yield encode_work_batch(room, group, entries)
            yield _single(group, job)
        else:
            new = not entries or record.sender != sender
            entry = encode_work_entry(record, job.attempt, job.deliveries, _redelivery(job), sender=new)
            entries.append(entry)
            size, sender = size + len(entry), record.sender
            if size < BATCH_BYTES:
                continue
            yield encode_work_batch(room, group, entries)
        entries, size = [], 0
    if entries:
        yield encode_work_batch(room, group, entries)


def _fits(record: Record) -> bool:
    data = record.data
    if record.attachments or record.parts is not None or len(data) >= BATCH_BYTES:
        return False
    return len(data) <= SHALLOW or data.count(b"[") + data.count(b"{") <= SHALLOW


def _redelivery(job: Job) -> dict[str, Any]:
    """Return the fields of a delivery that may not be the first one."""
    if not job.redelivered:
        return _FIRST
    error = job.last_error
    return {"redelivered": True} if error is None else {"redelivered": True, "error": error}
