"""All worker groups of a hub: who works in which, and how many there may be."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from typing import NamedTuple

from jupyter_rtmsg.errors import LimitExceeded, NotJoined, Shutdown
from jupyter_rtmsg.hub.follow import Follower
from jupyter_rtmsg.hub.limits import Limits
from jupyter_rtmsg.hub.room import Participant
from jupyter_rtmsg.log import EventLog, GroupSettings, Record, StoredGroup
from jupyter_rtmsg.process import ProcessName

from .alarm import Alarm
from .all_letters import AllDeadLetters
from .attendance import Attendance, GroupKey
from .checks import check_agreement, check_number
from .endings import EndedProcesses
from .memory import WindowMemory
from .runner import GroupHost, GroupRunner
from .workers import Worker

PAUSED, RESUMED, DELETED = "paused", "resumed", "deleted"
"""The states that ``$group`` tells (docs/wire.md)."""

_ATTEMPTS_PER_LOG = 1_000_000  # attempts of another log are told apart from those of this one


class GroupStart(NamedTuple):
    """Where a new group begins: after a position, and the number of the room's last event there, if it is known."""

    position: int
    number: int | None = None


class Place(NamedTuple):
    """A worker and its group."""

    runner: GroupRunner
    worker: Worker


class GroupRegistry:
    """The worker groups by room and name. A group that has workers is run by a `GroupRunner`.

    Parameters
    ----------
    log : EventLog
    follower : Follower
    limits : Limits
    clock : callable
        Monotonic seconds.
    owner : callable
        Returns the principal who owns the server, or None. The owner may make as many groups as there may be in all.
    jitter : callable, optional
        Returns a number from 0 to 1.

    Attributes
    ----------
    letters : AllDeadLetters
    _places : dict
        By participant and group: where it works.
    _running : dict
        By room: the runners.
    """

    def __init__(
        self,
        log: EventLog,
        follower: Follower,
        limits: Limits,
        clock: Callable[[], float],
        owner: Callable[[], str | None],
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._log, self._limits, self._clock, self._owner = log, limits, clock, owner
        self._alarm: Alarm[GroupRunner] = Alarm(clock, GroupRunner.wake)
        self._endings = EndedProcesses(limits.grace)
        self._attendance = Attendance(log, self._endings, limits.grace, self._accounted)
        self._host = GroupHost(
            log, follower, limits, clock, jitter, self._alarm.set, self._idle, self._buried, self._attendance,
            WindowMemory(limits.group_bytes_in_all),
        )  # fmt: skip
        self.letters = AllDeadLetters(log.groups, limits, self.runner, lambda: self._groups.values())
        self._groups: dict[GroupKey, StoredGroup] = {}
        self._running: dict[str, dict[str, GroupRunner]] = {}
        self._places: dict[Participant, dict[GroupKey, Place]] = {}
        self._held_until = clock() + limits.grace
        self._attempts = 0
        self._closed = False
        self.reload()

    async def load(self) -> None:
        """Load who worked when the hub before ended. Called once, before workers come."""
        await self._attendance.load()

    def reload(self) -> None:
        """Read the groups from the log again."""
        self._groups.clear()
        self._groups.update(((group.room, group.name), group) for group in self._log.groups.all())

    # --- finding

    def find(self, room: str, name: str) -> StoredGroup:
        """Return a group.

        Raises
        ------
        NotJoined
        """
        group = self._groups.get((room, name))
        if group is None:
            raise NotJoined(f"there is no group {name!r} in room {room!r}: `groups` lists the existing ones")
        return group

    def exists(self, room: str, name: str) -> bool:
        """Tell whether there is a group."""
        return (room, name) in self._groups

    def in_room(self, room: str) -> list[StoredGroup]:
        """Return the groups of a room, sorted by name."""
        return sorted((group for group in self._groups.values() if group.room == room), key=lambda group: group.name)

    def runner(self, group: StoredGroup) -> GroupRunner | None:
        """Return the runner of a group that has workers; else None."""
        return self._running.get(group.room, {}).get(group.name)

    def place(self, participant: Participant, room: str, name: str) -> Place:
        """Return where a participant works.

        Raises
        ------
        NotJoined
            If it does not work for this group.
        """
        place = self._places.get(participant, {}).get((room, name))
        if place is None:
            self.find(room, name)
            raise NotJoined(f"this connection does not work for group {name!r} in room {room!r}: send `work` first")
        return place

    def works(self, participant: Participant, group: StoredGroup) -> bool:
        """Tell whether a participant works for a group."""
        return (group.room, group.name) in self._places.get(participant, {})

    # --- making

    def make(self, room: str, name: str, settings: GroupSettings, maker: str, start: GroupStart) -> StoredGroup:
        """Make a group.

        Raises
        ------
        LimitExceeded
        """
        check_number(self._groups.values(), room, maker, self._limits, self._owner())
        group = StoredGroup(
            room, name, settings, maker, made=self._log.now(), floor=start.position, sent=start.position,
            read=start.position, number=start.number,
        )  # fmt: skip
        self._groups[room, name] = group
        self._log.groups.add(group)
        return group

    # --- workers

    async def run(self, group: StoredGroup) -> GroupRunner:
        """Return the ready runner of a group that is about to get a worker. Call its `end_join` after that."""
        runner = self.runner(group)
        if runner is None:
            key = (group.room, group.name)
            held_until = self._held_until if self._attendance.awaits(key) else 0.0
            runner = GroupRunner(self._host, group, held_until, self._attempts)
            self._host.follower.feed(self._offer)
            self._running.setdefault(group.room, {})[group.name] = runner
        await runner.begin_join()
        return runner

    async def attend(self, group: StoredGroup, member: str, process: ProcessName | None) -> None:
        """Store that a member works for a group, before it gets its first event. ``process`` is the name of its own."""
        stored = self._attendance.come(group, member, process)
        if stored is not None:
            await stored

    def has_claimed(self, group: StoredGroup, worker: Worker) -> None:
        """Note that a worker that has come back has claimed all that it holds."""
        self._attendance.accounted_for((group.room, group.name), worker.key)

    def _accounted(self, key: GroupKey) -> None:
        """Give events that were held back for workers of before: all of them are accounted for."""
        group = self._groups.get(key)
        runner = self.runner(group) if group is not None else None
        if runner is not None:
            runner.release_held()

    def agree(self, runner: GroupRunner, member: str, settings: GroupSettings) -> None:
        """Check the settings that a worker asks for. The only worker that is here may change them.

        Raises
        ------
        GroupConflict
        """
        group = runner.stored
        if group.settings == settings:
            return
        others = [each for each in runner.group.workers if each.key != member and each.away_until is None]
        check_agreement(group, settings, len(others))
        runner.configure(settings)

    def enter(self, runner: GroupRunner, participant: Participant, places: int, *, batches: bool) -> Worker:
        """Make a participant a worker of a group, in place of an earlier connection of its client.

        ``batches``: it takes several events in one message.

        Raises
        ------
        LimitExceeded
        Shutdown
            If its connection has ended meanwhile.
        NotJoined
            If the group was deleted meanwhile.
        """
        group, identity = runner.stored, participant.identity
        if self._closed or not participant.socket.connected:
            raise Shutdown("the connection has ended")
        if self.find(group.room, group.name) is not group or self.runner(group) is not runner:
            raise NotJoined(f"the group {group.name!r} in room {group.room!r} was deleted meanwhile: send `work` again")
        worker = runner.group.workers.get(identity.member)
        if worker is None and len(runner.group.workers) >= self._limits.workers:
            limit = self._limits.workers
            raise LimitExceeded(f"group {group.name!r} in room {group.room!r} has {limit} workers, the limit")
        if worker is not None and worker.connection is not participant:
            self._forget(worker.connection, group)
        worker = runner.group.join(identity.member, identity.name, participant, places, batches)
        self._places.setdefault(participant, {})[group.room, group.name] = Place(runner, worker)
        runner.changed()  # in the next pass of the loop: the reply goes first
        return worker

    def leave(self, participant: Participant, room: str, name: str, keep: Collection[tuple[int, int]] = ()) -> None:
        """End the work of a participant for a group. What it holds, and does not keep, is given to others at once."""
        place = self.place(participant, room, name)
        place.runner.group.leave(place.worker, keep)
        if not place.worker.held:
            self._forget(participant, place.runner.stored)
        place.runner.changed()

    def disconnected(self, participant: Participant, *, lost: bool) -> None:
        """End the work of a participant whose connection has ended. ``lost``: it may come back."""
        for place in self._places.pop(participant, {}).values():
            if place.worker.connection is not participant:
                continue
            if lost:
                place.runner.group.workers.lose(place.worker, self._clock() + self._limits.grace)
                process = self._attendance.process_of(place.runner.stored, place.worker.key)
                if process is not None:
                    self._endings.watch(process, partial(self._has_ended, place, participant))
            else:
                place.runner.group.leave(place.worker)
            place.runner.changed()

    def _has_ended(self, place: Place, participant: Participant) -> None:
        """Wait no more for a lost worker, whose process has ended."""
        worker = place.runner.group.workers.get(place.worker.key)
        if worker is not None and worker.connection is participant and worker.away_until is not None:
            place.runner.group.workers.lose(worker, self._clock())
            place.runner.changed()

    def work_of(self, participant: Participant) -> list[StoredGroup]:
        """Return the groups that a participant works for."""
        return [place.runner.stored for place in self._places.get(participant, {}).values()]

    def _forget(self, participant: Participant, group: StoredGroup) -> None:
        places = self._places.get(participant, {})
        places.pop((group.room, group.name), None)
        if not places:
            self._places.pop(participant, None)

    def _idle(self, runner: GroupRunner) -> None:
        """Stop a runner whose last worker has left."""
        self._stop(runner)
        runner.close()

    def _stop(self, runner: GroupRunner) -> None:
        group = runner.stored
        running = self._running.get(group.room, {})
        if running.get(group.name) is runner:
            del running[group.name]
            if not running:
                del self._running[group.room]
        if not self._running:
            self._host.follower.feed(None)

    # --- what members of a room may do with a group

    def pause(self, group: StoredGroup, user: str, *, paused: bool) -> None:
        """Give no further events to workers, or give them again."""
        if group.paused is paused:
            return
        group.pause(paused)
        self._log.groups.save(group)
        runner = self.runner(group)
        if runner is not None:
            runner.group.pause(paused)
            runner.changed()
            self._notify(runner, PAUSED if paused else RESUMED, user)

    def delete(self, group: StoredGroup, user: str) -> None:
        """Delete a group with everything in it. Its workers are told."""
        del self._groups[group.room, group.name]
        runner = self.runner(group)
        if runner is not None:
            self._stop(runner)
            self._notify(runner, DELETED, user)
            for participant in [worker.connection for worker in runner.group.workers]:
                self._forget(participant, group)
            runner.close()
        self._attendance.forget(group)
        self._log.groups.remove(group)

    def delete_room(self, room: str, user: str) -> None:
        """Delete the groups of a deleted room."""
        for group in self.in_room(room):
            self.delete(group, user)

    def _notify(self, runner: GroupRunner, state: str, user: str) -> None:
        group = runner.stored
        for worker in runner.group.workers:
            if worker.away_until is None:
                notice = {"room": group.room, "group": group.name, "state": state, "user": user}
                worker.connection.socket.emit("$group", notice)

    # --- events

    def _offer(self, records: Iterable[Record]) -> None:
        """Hand stored events that come out of the log to the groups that want them."""
        for record in records:
            if record.seq is not None:
                for runner in self._running.get(record.room, {}).values():
                    runner.offer(record)

    def _buried(self, runner: GroupRunner) -> None:
        self.letters.bound()

    # --- the log

    def reset(self) -> None:
        """Continue after the log was moved or replaced. Workers of groups that it does not have any more are told."""
        self._attempts += _ATTEMPTS_PER_LOG
        self.reload()
        for runner in self.runners():
            group = runner.stored
            if self._groups.get((group.room, group.name)) is group:
                workers = runner.restart(self._attempts)
                for worker in workers.values():
                    places = self._places.get(worker.connection)
                    if places is not None and (group.room, group.name) in places:
                        places[group.room, group.name] = Place(runner, worker)
            else:
                self._groups[group.room, group.name] = group
                self.delete(group, "")
        self.reload()
        self._attendance.save_again()

    def runners(self) -> Iterator[GroupRunner]:
        """Yield all runners."""
        for running in list(self._running.values()):
            yield from list(running.values())

    def close(self) -> None:
        """Give no further events, and store how far the groups are."""
        self._closed = True
        for runner in self.runners():
            runner.close()
        self._alarm.close()
        self._endings.close()
        self._attendance.close()
        self.letters.close()
