"""``history``: pages of the events that a room holds."""

from __future__ import annotations

from jupyter_rtmsg.hub.core import HubCore
from jupyter_rtmsg.hub.encode import encode_page
from jupyter_rtmsg.hub.request import Request, optional_count, optional_text
from jupyter_rtmsg.hub.room import Participant
from jupyter_rtmsg.wire.data import EncodedJSON, encode_json

from .command import located, readable_room


async def history(hub: HubCore, participant: Participant, request: Request) -> EncodedJSON:
    """Return a page of stored events. It moves no cursor."""
    name = readable_room(hub, participant, request)
    after, before, last, since = (optional_count(request, key) for key in ("after", "before", "last", "since"))
    limit = optional_count(request, "limit", least=1)
    limits = hub.limits
    while True:
        state = hub.log.epoch, hub.log.opening
        page = await hub.log.read(
            name,
            after=located(hub, request, after or 0, "after"),
            before=before,
            last=last,
            since=since,
            limit=min(limit or limits.page_events, limits.page_events),
            max_bytes=limits.page_bytes,
            max_attachments=limits.attachments,
            name=optional_text(request, "event", longest=limits.identifier),
            sender=optional_text(request, "sender", longest=limits.identifier),
        )
        stats = await hub.log.stats(name)
        if state == (hub.log.epoch, hub.log.opening):
            break  # otherwise the log was replaced while it was read
    events = encode_page(page.records)
    rest = {
        "more": page.more,
        "through": page.through,
        "first": stats.first,
        "head": stats.head,
        "head_n": stats.n,
        "epoch": hub.log.epoch,
        "opening": hub.log.opening,
    }
    return EncodedJSON(b'{"ok":true,"events":%b,%b' % (events.json, encode_json(rest)[1:]), events.attachments)
