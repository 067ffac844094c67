"""All decisions that are made about appends before anything is written. No I/O.

The writer decides with a `Batch` on top of its `LogState`: positions, order, duplicates, conflicts. The batch is
written in one transaction, and only then accepted into the state. So a transaction that fails leaves no trace.
"""

from __future__ import annotations

from collections.abc import Container, Mapping

import msgspec

from jupyter_rtmsg.errors import LogConflict, LogError, LogIdConflict, LogPartsMissing

from .clock import MINUTE, stamp
from .crc import event_crc
from .policy import FORGOTTEN_AFTER, POLICY
from .records import DELETED, Appended, Draft, Record
from .retained import Bounds, RetainedChanges, removes
from .state import LogState, PolicyChanges, RoomState
from .work import Completion, Submission

# The columns of table ``event``: seq, room, prev, ts, name, data, attachments, sender, user, id, size, crc, n,
# expires, retain.
_EventValues = tuple[
    int, int, int, int, str, bytes, int, bytes, str, str | None, int, int, int, int, str | None
]  # fmt: skip


class Batch:
    """The appends of one transaction, and all of its consequences.

    Parameters
    ----------
    state : LogState
        The state before. It is not changed.
    known : mapping
        Seqs of the dedup keys of this batch that are in the log already.
    now : int
        The time of the wall clock (ms since 1970). For timestamps see `stamp`.
    time : int, optional
        Log time (ms); by default ``now``.
    ahead : int, optional
        By how much log time was ahead of ``now`` then (ms), for events that are older than this transaction.
    complete : bool
        Whether ``known`` includes the ids that publishers chose; see `Matches`.
    bounds : Bounds, optional
        How much may be retained; without them, any amount.
    lost : container of int
        The keys of parts that are not all in the log.

    Attributes
    ----------
    head, ts, time, ahead, next_room
        Those of `LogState` after the batch.
    rooms : dict
        The rooms that change, by name.
    saved_rooms : dict
        The names of those whose rows are stored: new ones, deleted ones, and those with a new maker.
    deleted : dict
        Positions up to which rooms are deleted, by name.
    events, attachments : list
        Rows for the tables ``event`` and ``attachment``.
    bytes : int
        Payload of the events.
    records : list of Record
        The events and announcements that come out of the log.
    completions : list of Completion
        The outcomes of the appends.
    keys, explicit : dict
        Seqs by dedup key: of ids that clients made up, and of those that publishers chose.
    expiring : list of int
        When events of it expire (ms of log time).
    retained : RetainedChanges or None
        The values of keys that change, if there may be any.
    turns : bool
        Whether a new time span begins with the first event.
    policies : PolicyChanges
        The policies of rooms, by which it decides and which it changes.
    """

    # A batch is filled by `add`, written by `Store.insert` and `Dedup.insert`, and applied by `LogState.accept`.
    # `rooms` has copies of the rooms in `_state`, so that a batch that fails changes nothing.
    # `_drafts` has the drafts of this batch that have an explicit key, to compare duplicates with.

    def __init__(
        self,
        state: LogState,
        known: Mapping[bytes, int],
        now: int,
        time: int | None = None,
        *,
        ahead: int | None = None,
        complete: bool = True,
        bounds: Bounds | None = None,
        lost: Container[int] = (),
    ) -> None:
        self._state = state
        self._lost = lost
        self._known = known
        self.complete = complete
        self.head = state.head
        self.ts = stamp(now, state.ts)
        self.time = now if time is None else time
        ahead = self.time - self.ts if ahead is None else ahead
        self.turns = self.ts < state.ts or abs(ahead - state.ahead) > MINUTE
        self.ahead = ahead if self.turns else state.ahead
        self.next_room = state.next_room
        self.rooms: dict[str, RoomState] = {}
        self.bytes = 0
        self.saved_rooms: dict[str, None] = {}
        self.records: list[Record] = []
        self.completions: list[Completion] = []
        self.events: list[_EventValues] = []
        self.attachments: list[tuple[int, int, bytes]] = []
        self.keys: dict[bytes, int] = {}
        self.explicit: dict[bytes, int] = {}
        self._drafts: dict[bytes, Draft] = {}
        self.deleted: dict[str, int] = {}
        self.expiring: list[int] = []
        self.retained: RetainedChanges | None = None
        self._bounds = bounds
        self.policies = PolicyChanges(state.policies)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to write."""
        return not (self.events or self.deleted or self.policies.changed)

    @property
    def is_sure(self) -> bool:
        """Whether no event was refused whose id may be known, as it should have been answered as a duplicate."""
        return self.complete or not (self.policies.refused or (self.retained and self.retained.refused))

    @property
    def time_spans(self) -> list[tuple[int, int]]:
        """The row for table ``stretch``, if a time span begins with this batch's first event."""
        return [(self.events[0][0], self.ahead)] if self.turns and self.events else []

    def take_over(self, submission: Submission, key: bytes | None, ts: int) -> None:
        """Add an event that was stored in another log before, and keeps its ts. No policy refuses it."""
        self.policies.lift()
        self.ts = max(self.ts, ts)
        self.add(submission, key)

    def add(self, submission: Submission, key: bytes | None, *, differs: bool = False) -> None:
        """Decide on an append. An error is the outcome of this append alone.

        ``differs``: the event that the log has under this key has another name or other data.
        """
        draft, done = submission.draft, submission.done
        if done is None:
            self.records.append(announced(draft, self.ts))
            return
        value: Appended | Exception
        try:
            size = submission.size if draft.parts is None else submission.size + draft.parts.size
            value = self._append(draft, size, key, differs)
        except (LogError, AttributeError, TypeError, ValueError) as error:
            value = error
        self.completions.append(Completion(done, value))

    def _append(self, draft: Draft, size: int, key: bytes | None, differs: bool) -> Appended:
        if draft.name == DELETED:
            return self._delete(draft.room)
        if draft.name == POLICY:
            self.policies.set(draft.room, draft.data, self.time)
            return Appended(self.head, False)
        if key is None and draft.id is not None and not (draft.auto and draft.client is None):
            raise TypeError("`room`, `user`, `client` and `id` must be str")
        room = self.rooms.get(draft.room)
        known = room or self._state.rooms.get(draft.room)
        earlier = None
        if key is not None:
            earlier = self.keys.get(key) or self.explicit.get(key) or self._known.get(key)
        if earlier is not None and (known is None or earlier > known.since):  # else the room was deleted since
            return self._duplicate(draft, key, earlier, differs)
        prev = known.head if known else 0
        if draft.expect is not None or draft.retain is not None or draft.parts is not None:  # few have
            self._check(draft, size, known)
        self.policies.admit(draft.room, known, size)
        seq, n = self.head + 1, known.n + 1 if known else 1
        expires = 0 if draft.expire is None else self.time + draft.expire
        crc = event_crc(
            seq, prev, self.ts, n, draft.room, draft.name, draft.user, draft.id, draft.sender, draft.data,
            draft.attachments, draft.retain, expires, draft.parts.key if draft.parts else 0,
        )  # fmt: skip
        if room is None:
            # Only now, when nothing can fail any more: a room is made by its first event.
            room = self._copy_room(draft.room, known)
        if not room.count:
            self._begin(room, draft, seq)
        self.head = room.head = seq
        room.n, room.used = n, self.time
        room.count += 1
        room.bytes += size
        self.bytes += size
        self._store(draft, room, prev, size, crc, expires)
        if key is not None and draft.auto:
            self.keys[key] = seq
        elif key is not None:
            self.explicit[key], self._drafts[key] = seq, draft
        return Appended(seq, False)

    def _check(self, draft: Draft, size: int, room: RoomState | None) -> None:
        """Raise the error of an event that cannot be stored as it says: a conflict, too much, or without its parts."""
        if draft.parts is not None and draft.parts.key in self._lost:
            raise LogPartsMissing("parts of the event are not in the log any more: stage all of them again")
        key, id = draft.retain, room.id if room else None
        if draft.expect is not None:
            if key is not None:
                there, what = (
                    self._retain().seq(id, key),
                    f"the value of key {key!r} in room {draft.room!r} is of event",
                )
            else:
                there, what = room.head if room else 0, f"the head of room {draft.room!r} is"
            if draft.expect != there:
                raise LogConflict(f"{what} {there}, not {draft.expect}", there)
        if key is not None:
            self._retain().check(id, draft, size)

    def _retain(self) -> RetainedChanges:
        """Return the changes of retained values; most batches need none."""
        if self.retained is None:
            self.retained = RetainedChanges(self._state.retained, self._bounds, self.time)
        return self.retained

    def _duplicate(self, draft: Draft, key: bytes | None, seq: int, differs: bool) -> Appended:
        """Return the outcome of an append whose id is known; raise if the stored event differs."""
        first = self._drafts.get(key) if key is not None else None
        if first is not None:
            differs = (first.name, first.data, first.attachments) != (draft.name, draft.data, draft.attachments)
        if differs:
            raise LogIdConflict(
                f"the id {draft.id!r} belongs to event {seq} of room {draft.room!r}, which has another name or other "
                "data: choose another id, or send the same event"
            )
        return Appended(seq, True)

    def _copy_room(self, name: str, known: RoomState | None) -> RoomState:
        """Add a copy of a room, or a new room, to this batch."""
        if known is None:
            room = RoomState(self.next_room)
            self.next_room += 1
        else:
            room = known.copy()
        self.rooms[name] = room
        return room

    def _begin(self, room: RoomState, draft: Draft, seq: int) -> None:
        """Add the first event to an empty room. Its principal makes the room, if that is new, deleted or forgotten."""
        room.first = seq
        forgotten = self.time - room.used > FORGOTTEN_AFTER and not room.retained
        if room.head <= room.since or forgotten:
            room.maker = draft.user
            self.saved_rooms[draft.room] = None
            self.policies.forget(draft.room, self.time)

    def _delete(self, name: str) -> Appended:
        """Delete the events of a room; the outcome has the position up to which they are deleted."""
        self.policies.drop(name)
        known = self.rooms.get(name) or self._state.rooms.get(name)
        if known is not None:
            room = self.rooms[name] = known.copy()
            room.since, room.used = self.head, self.time
            room.first = room.count = room.bytes = room.retained = 0
            self._retain().clear(room.id)
            self.deleted[name] = self.head
            self.saved_rooms[name] = None
        return Appended(self.head, False)

    def _store(self, draft: Draft, room: RoomState, prev: int, size: int, crc: int, expires: int) -> None:
        name, data, attachments, sender, user, id = (
            draft.name, draft.data, draft.attachments, draft.sender, draft.user, draft.id
        )  # fmt: skip
        seq, n, ts, key = room.head, room.n, self.ts, draft.retain
        attached = -draft.parts.key if draft.parts else len(attachments)
        self.events.append((seq, room.id, prev, ts, name, data, attached, sender, user, id, size, crc, n, expires, key))
        if attachments:
            self.attachments += [(seq, num, part) for num, part in enumerate(attachments)]
        if expires:
            self.expiring.append(expires)
        record = Record(
            draft.room, seq, prev, ts, name, data, attachments, sender, user, id, n, key, expires, draft.parts
        )
        self.records.append(record)
        if key is not None:
            value = msgspec.structs.replace(record, expires=0) if draft.keep else record
            self._retain().put(room.id, key, value, size, gone=removes(draft))
            room.retained = self._retain().count(room.id)


def announced(draft: Draft, ts: int) -> Record:
    """Return the record of an event that is announced."""
    return Record(
        draft.room, None, None, ts, draft.name, draft.data, draft.attachments, draft.sender, draft.user, draft.id
    )
