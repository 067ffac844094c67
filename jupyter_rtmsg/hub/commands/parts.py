"""``stage``, ``unstage`` and ``fetch``: the parts of events that do not fit into a message."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from jupyter_rtmsg.errors import BadRequest, Gone, TooLarge
from jupyter_rtmsg.hub.core import HubCore
from jupyter_rtmsg.hub.names import room_name
from jupyter_rtmsg.hub.request import Reply, Request, WhenStored, count, text
from jupyter_rtmsg.hub.room import Participant
from jupyter_rtmsg.hub.staging import Upload
from jupyter_rtmsg.wire.data import EncodedJSON

from .command import located, readable_room
from .publish import ENVELOPE, upload_name

_PLACEHOLDER = b'{"ok":true,"data":{"_placeholder":true,"num":0}}'


def stage(hub: HubCore, participant: Participant, request: Request) -> Reply | WhenStored | Coroutine[Any, Any, Reply]:
    """Take a part of an event that will be published. Answered when it is stored."""
    hub.access.require(participant.identity, "write", room_name(text(request, "room")))
    data, most = request.get("data"), hub.limits.message - ENVELOPE
    if type(data) is not bytes or not data:
        raise BadRequest("`data` must be one attachment of at least one byte")
    if len(data) > most:
        raise TooLarge(f"the part has {len(data):,} bytes, and a part may have {most:,}: cut smaller parts")
    participant.budget.charge_bytes(len(data), hub.clock())
    number = count(request, "part")
    upload = hub.staging.take(
        participant, upload_name(hub, request, "upload"), number=number, of=count(request, "of", least=1),
        size=count(request, "size", least=1), data=data,
    )  # fmt: skip
    if upload is None:
        return {"ok": True}
    if participant.budget.pending.has_capacity:
        return WhenStored(asyncio.ensure_future(_store(hub, participant, upload, number, data)), {"ok": True})
    return _store_later(hub, participant, upload, number, data)  # the connection's next command waits for it


async def _store(hub: HubCore, participant: Participant, upload: Upload, number: int, data: bytes) -> None:
    pending = participant.budget.pending
    pending.begin(len(data))
    try:
        await hub.staging.store(upload, number, data)
    except BaseException:
        hub.staging.drop(participant, upload.name)  # without this part the others are of no use
        raise
    finally:
        pending.end(len(data))


async def _store_later(hub: HubCore, participant: Participant, upload: Upload, number: int, data: bytes) -> Reply:
    await participant.budget.pending.wait()
    await _store(hub, participant, upload, number, data)
    return {"ok": True}


def unstage(hub: HubCore, participant: Participant, request: Request) -> Reply:
    """Give up an upload."""
    room_name(text(request, "room"))
    hub.staging.drop(participant, upload_name(hub, request, "upload"))
    return {"ok": True}


async def fetch(hub: HubCore, participant: Participant, request: Request) -> EncodedJSON:
    """Return a part of a stored event."""
    room, number, seq = readable_room(hub, participant, request), count(request, "part"), count(request, "seq")
    # A client that does not read gets no further part, and holds none of its user's turns to read.
    await participant.socket.drained()
    async with participant.budget.reads:
        position = located(hub, request, seq, "seq")
        data = await hub.log.parts.get(room, position, number, hub.log.log_time())
    if data is None:
        raise Gone(
            f"part {number} of event {seq} of room {room!r} is not held (any more): the event was trimmed, deleted or "
            "damaged, or has no such part"
        )
    return EncodedJSON(_PLACEHOLDER, (data,))
