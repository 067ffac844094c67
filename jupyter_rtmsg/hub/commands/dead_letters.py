"""``dead_letters``, ``redrive`` and ``discard``: the events that a worker group gave up."""

from __future__ import annotations

from typing import Any

from jupyter_rtmsg.errors import BadRequest, LimitExceeded
from jupyter_rtmsg.hub.core import HubCore
from jupyter_rtmsg.hub.encode import encode_letters
from jupyter_rtmsg.hub.names import room_name
from jupyter_rtmsg.hub.request import Reply, Request, optional_count, text
from jupyter_rtmsg.hub.room import Participant
from jupyter_rtmsg.wire.data import EncodedJSON, encode_json

from .groups import managed_group
from .work import group_name


async def dead_letters(hub: HubCore, participant: Participant, request: Request) -> EncodedJSON:
    """Return a page of the dead letters of a group."""
    room = room_name(text(request, "room"))
    for action in ("read", "write"):
        hub.access.require(participant.identity, action, room)
    group = hub.groups.find(room, group_name(hub, request))
    limits, after = hub.limits, optional_count(request, "after") or 0
    limit = min(optional_count(request, "limit", least=1) or limits.page_events, limits.page_events)
    letters, more = await hub.log.groups.letters(group, after=after, limit=limit, max_bytes=limits.page_bytes)
    letters, cut = _with_few_attachments(letters, limits.attachments)
    page = encode_letters(letters)
    through = letters[-1].number if letters else after
    rest = {"more": more or cut, "through": through, "count": group.letters, "discarded": group.discarded}
    return EncodedJSON(b'{"ok":true,"letters":%b,%b' % (page.json, encode_json(rest)[1:]), page.attachments)


async def redrive(hub: HubCore, participant: Participant, request: Request) -> Reply:
    """Give dead letters to workers again."""
    group = await managed_group(hub, participant, request)
    return {"ok": True, "redriven": await hub.groups.letters.redrive(group, _numbers(hub, request))}


async def discard(hub: HubCore, participant: Participant, request: Request) -> Reply:
    """Delete dead letters."""
    group = await managed_group(hub, participant, request)
    return {"ok": True, "discarded": await hub.groups.letters.discard(group, _numbers(hub, request))}


def _numbers(hub: HubCore, request: Request) -> list[int] | None:
    numbers: Any = request.get("numbers")
    if numbers is None:
        return None
    if type(numbers) is not list or not all(type(number) is int for number in numbers):
        raise BadRequest("`numbers` must be an array of the numbers of dead letters; without it, all of them are meant")
    if len(numbers) > hub.limits.dead_letters:
        most = hub.limits.dead_letters
        raise LimitExceeded(f"`numbers` has {len(numbers)} entries, more than the {most} that a group has at most")
    return numbers


def _with_few_attachments(letters: Any, most: int) -> tuple[Any, bool]:
    """Return the first letters whose attachments fit into one packet, and whether others were left out."""
    count = 0
    for at, letter in enumerate(letters):
        count += len(letter.record.attachments)
        if at and count > most:
            return letters[:at], True
    return letters, False
