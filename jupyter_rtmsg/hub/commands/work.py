"""``work`` and ``unwork``: begin and end the work of a connection for a group."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jupyter_rtmsg.errors import BadRequest, LimitExceeded
from jupyter_rtmsg.hub.core import HubCore
from jupyter_rtmsg.hub.groups.registry import GroupStart
from jupyter_rtmsg.hub.groups.runner import GroupRunner
from jupyter_rtmsg.hub.groups.workers import Worker
from jupyter_rtmsg.hub.names import MAX_LENGTH, SubscriptionName, room_name
from jupyter_rtmsg.hub.request import Reply, Request, count, flag, optional_count, optional_number, optional_text, text
from jupyter_rtmsg.hub.room import Participant
from jupyter_rtmsg.log import GroupSettings, Record, StoredGroup
from jupyter_rtmsg.process import ProcessName

from .command import located
from .settle import Deliveries, deliveries_of

MOST_TRIES = 1_000
LONGEST_WAIT = 7 * 86_400.0
"""The longest ``ack_wait``, and the longest pause of a retry (seconds)."""


async def work(hub: HubCore, participant: Participant, request: Request) -> Reply:
    """Work for a group, which is made if it does not exist. Deliveries follow the reply."""
    room, name = room_name(text(request, "room")), group_name(hub, request)
    for action in ("read", "write"):
        hub.access.require(participant.identity, action, room)
    settings, places, batches = _settings(request), _places(hub, request), flag(request, "batches")
    process = _process(hub, request)
    holds = deliveries_of(hub, request, "holds") if request.get("holds") is not None else []
    await hub.log.groups.ready()
    start = None if hub.groups.exists(room, name) else await _start(hub, room, request)
    made = not hub.groups.exists(room, name)  # another worker may have made it meanwhile
    if made:
        user = participant.identity.principal
        group = hub.groups.make(room, name, settings, user, start or GroupStart(0))
    else:
        group = hub.groups.find(room, name)
    runner = await hub.groups.run(group)
    try:
        records = await _records(hub, request, runner, holds)
        await hub.groups.attend(group, participant.identity.member, process)
        await hub.log.groups.stored()
        hub.groups.agree(runner, participant.identity.member, settings)
        former = runner.group.workers.get(participant.identity.member)
        is_back = former is not None and former.connection is not participant
        worker = hub.groups.enter(runner, participant, places, batches=batches)
    finally:
        runner.end_join()
    held = [[seq, attempt] for seq, attempt in holds if _is_held(hub, request, runner, worker, (seq, attempt), records)]
    hub.groups.has_claimed(group, worker)
    if is_back:  # deliveries that were written into its former connection, and that it never got
        runner.group.give_back(worker, {(_located(hub, request, seq) or 0, attempt) for seq, attempt in holds})
        runner.changed()
    return _reply(hub, group, made=made) | {"held": held}


def _is_held(
    hub: HubCore,
    request: Request,
    runner: GroupRunner,
    worker: Worker,
    delivery: tuple[int, int],
    records: Mapping[int, Record],
) -> bool:
    """Tell whether a delivery that a worker names when it comes back is its own."""
    here = _located(hub, request, delivery[0])
    return here is not None and runner.group.claim(worker, here, delivery[1], hub.clock(), records.get(here))


async def _records(hub: HubCore, request: Request, runner: GroupRunner, holds: Deliveries) -> Mapping[int, Record]:
    """Read the events that a worker holds, and that the group has not loaded since the hub was started."""
    located_holds = (_located(hub, request, seq) for seq, _ in holds)
    now = hub.clock()
    return await runner.fetch([seq for seq in located_holds if seq and runner.group.needs_record(seq, now)])


def unwork(hub: HubCore, participant: Participant, request: Request) -> Reply:
    """End the work of this connection for a group. What it holds goes back, and no try is charged.

    With ``keep`` it goes on with the deliveries that it is in the middle of, and gets no others.
    """
    keep = set(deliveries_of(hub, request, "keep")) if request.get("keep") is not None else set()
    hub.groups.leave(participant, room_name(text(request, "room")), group_name(hub, request), keep)
    return {"ok": True}


def group_name(hub: HubCore, request: Request) -> str:
    """Return the name of the group in a request; the rules are those of a subscription's name."""
    name = text(request, "group")
    if not 1 <= len(name) <= hub.limits.identifier:
        raise BadRequest(f"a group's name has 1 to {hub.limits.identifier} characters, this one has {len(name)}")
    return SubscriptionName.of_client(name).label


def _settings(request: Request) -> GroupSettings:
    tries = optional_count(request, "tries", least=1)
    if tries is not None and tries > MOST_TRIES:
        raise BadRequest(f"`tries` must be at most {MOST_TRIES}, not {tries}")
    wait = optional_number(request, "ack_wait", most=LONGEST_WAIT)
    if wait == 0:
        raise BadRequest("`ack_wait` must be more than 0 seconds; leave it out for no limit")
    return GroupSettings(
        optional_text(request, "event", longest=MAX_LENGTH),
        optional_text(request, "key", longest=MAX_LENGTH),
        GroupSettings().tries if tries is None else tries,
        wait,
    )


def _process(hub: HubCore, request: Request) -> ProcessName | None:
    name = optional_text(request, "pid", longest=hub.limits.identifier)
    try:
        return ProcessName.parse(name) if name is not None else None
    except ValueError as error:
        raise BadRequest(f"`pid` must be the name of a process, `machine.pid.started`: {error}") from None


def _places(hub: HubCore, request: Request) -> int:
    places = optional_count(request, "max_in_flight", least=1) or 1
    if places > hub.limits.in_flight:
        raise LimitExceeded(f"`max_in_flight` is {places}, more than the {hub.limits.in_flight} allowed")
    return places


async def _start(hub: HubCore, room: str, request: Request) -> GroupStart:
    """Return where a new group begins."""
    start: Any = request.get("start")
    if start in (None, "first"):
        return GroupStart(0)
    if start == "new":
        stats = await hub.log.stats(room)
        return GroupStart(hub.log.head, stats.n)
    if type(start) is dict and "seq" in start:
        seq = count(start, "seq")
        if seq and optional_text(start, "epoch", longest=hub.limits.identifier) is None:
            raise BadRequest("`start.epoch` is missing: send the epoch that came with the position `start.seq`")
        return GroupStart(located(hub, start, seq, "start.seq"))
    if type(start) is dict and "ts" in start:
        page = await hub.log.read(room, since=count(start, "ts"), limit=1)
        return GroupStart((page.records[0].seq or 1) - 1 if page.records else page.through)
    raise BadRequest('`start` must be "first", "new", {"seq", "epoch"} or {"ts"}')


def _located(hub: HubCore, request: Request, seq: int) -> int | None:
    longest = hub.limits.identifier
    epoch, opening = (optional_text(request, key, longest=longest) for key in ("epoch", "opening"))
    return hub.log.locate(seq, epoch, opening)


def _reply(hub: HubCore, group: StoredGroup, *, made: bool) -> Reply:
    settings = group.settings
    return {
        "ok": True,
        "room": group.room,
        "group": group.name,
        "made": made,
        "event": settings.event,
        "key": settings.key,
        "tries": settings.tries,
        "ack_wait": settings.ack_wait,
        "paused": group.paused,
        "start": group.floor,
        "dead": group.letters,
        "epoch": hub.log.epoch,
        "opening": hub.log.opening,
    }
