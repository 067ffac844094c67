"""``groups``, ``pause_group``, ``resume_group`` and ``delete_group``: the worker groups of a room."""

from __future__ import annotations

from typing import Any

from jupyter_rtmsg.errors import Forbidden
from jupyter_rtmsg.hub.core import HubCore
from jupyter_rtmsg.hub.groups.pattern import NamePattern
from jupyter_rtmsg.hub.groups.runner import GroupRunner
from jupyter_rtmsg.hub.names import room_name
from jupyter_rtmsg.hub.request import Reply, Request, optional_text, text
from jupyter_rtmsg.hub.room import Participant
from jupyter_rtmsg.log import StoredGroup
from jupyter_rtmsg.wire.data import encode_json

from .command import readable_room, require_manage
from .work import group_name

LISTED_WORKERS = 100


async def groups(hub: HubCore, participant: Participant, request: Request) -> Reply:
    """List the groups of a room, or one of them."""
    room = readable_room(hub, participant, request)
    after = optional_text(request, "after", longest=hub.limits.identifier) or ""
    wanted = [hub.groups.find(room, group_name(hub, request))] if request.get("group") else hub.groups.in_room(room)
    wanted = [group for group in wanted if group.name > after]
    listed: list[dict[str, Any]] = []
    left = hub.limits.page_bytes
    for group in wanted:
        described = await _described(hub, group)
        left -= len(encode_json(described)) + 1
        if listed and left < 0:
            break
        listed.append(described)
    return {"ok": True, "groups": listed, "more": len(listed) < len(wanted)}


async def pause_group(hub: HubCore, participant: Participant, request: Request) -> Reply:
    """Give no further events of a group to its workers. They keep what they have."""
    return await _pause(hub, participant, request, paused=True)


async def resume_group(hub: HubCore, participant: Participant, request: Request) -> Reply:
    """Give events of a group to its workers again."""
    return await _pause(hub, participant, request, paused=False)


async def delete_group(hub: HubCore, participant: Participant, request: Request) -> Reply:
    """Delete a group with its dead letters. Its workers are told; events stay in the room."""
    group = await managed_group(hub, participant, request)
    pending = await _lag(hub, group, hub.groups.runner(group))
    group = hub.groups.find(group.room, group.name)  # it may have been deleted meanwhile
    deleted = {"pending": pending, "dead": group.letters}
    hub.groups.delete(group, participant.identity.principal)
    await hub.log.groups.stored()
    return {"ok": True, "deleted": deleted}


async def managed_group(hub: HubCore, participant: Participant, request: Request) -> StoredGroup:
    """Return a group that a participant may manage: with the right to manage the room, or as one of its workers.

    Raises
    ------
    Forbidden
    NotJoined
        If there is no such group.
    """
    room = room_name(text(request, "room"))
    hub.access.require(participant.identity, "read", room)
    group = hub.groups.find(room, group_name(hub, request))
    if not hub.groups.works(participant, group):
        try:
            await require_manage(hub, participant, room)
        except Forbidden as error:
            raise Forbidden(f"{error}, and does not work for group {group.name!r}") from None
    return hub.groups.find(room, group.name)  # it may have been deleted meanwhile


async def _pause(hub: HubCore, participant: Participant, request: Request, *, paused: bool) -> Reply:
    group = await managed_group(hub, participant, request)
    hub.groups.pause(group, participant.identity.principal, paused=paused)
    await hub.log.groups.stored()
    return {"ok": True}


async def _described(hub: HubCore, group: StoredGroup) -> dict[str, Any]:
    runner = hub.groups.runner(group)
    stats = await hub.log.stats(group.room)
    counts = runner.counts() if runner else {"in_flight": 0, "delayed": 0}
    described: dict[str, Any] = {
        "group": group.name,
        "event": group.settings.event,
        "key": group.settings.key,
        "tries": group.settings.tries,
        "ack_wait": group.settings.ack_wait,
        "made": group.made,
        "maker": group.maker,
        "paused": group.paused,
        "floor": min(group.floor, stats.head),
        "head": stats.head,
        "lag": await _lag(hub, group, runner),
        **counts,
        "dead": group.letters,
        "done": group.done,
        "trimmed": group.trimmed,
        "discarded": group.discarded,
        "workers": _workers(runner),
        "count": len(runner.group.workers) if runner else 0,
    }
    if group.last_error is not None:
        described["last_error"] = group.last_error
    return described


async def _lag(hub: HubCore, group: StoredGroup, runner: GroupRunner | None) -> int:
    """Return how many events of a group are not settled."""
    if runner is not None:
        runner.store()
    lag = await hub.log.lag(group.room, group.read)
    unsettled = await _redriven(hub, group, runner) + group.unsettled
    event = group.settings.event
    if event is None:
        return unsettled + lag.missed
    listed, wanted = sum(lag.by_event.values()), NamePattern(event)
    matching = sum(number for name, number in lag.by_event.items() if wanted.matches(name))
    return unsettled + matching + (lag.missed - listed)


async def _redriven(hub: HubCore, group: StoredGroup, runner: GroupRunner | None) -> int:
    """Return how many events were dead letters before; they are behind the read position, but not counted there."""
    if runner is not None and runner.is_ready:
        return runner.group.window.redriven
    return sum(failure.redriven for failure in await hub.log.groups.failures(group))


def _workers(runner: GroupRunner | None) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = []
    for worker in runner.group.workers if runner else ():
        if len(listed) == LISTED_WORKERS:
            break
        identity = worker.connection.identity
        listed.append(
            {
                "member": worker.key,
                "user": identity.principal,
                "name": identity.name,
                "kind": identity.kind,
                "in_flight": len(worker.held),
                "max_in_flight": worker.places,
                **({"away": True} if worker.away_until is not None else {}),
            }
        )
    return listed
