"""``state``: pages of the retained values of a room."""

from __future__ import annotations

from collections.abc import Sequence

from jupyter_rtmsg.hub.core import HubCore
from jupyter_rtmsg.hub.encode import encode_page
from jupyter_rtmsg.hub.request import Request, optional_count, optional_text
from jupyter_rtmsg.hub.room import Participant
from jupyter_rtmsg.log import Record, size_of
from jupyter_rtmsg.wire.data import EncodedJSON, encode_json

from .command import readable_room


async def state(hub: HubCore, participant: Participant, request: Request) -> EncodedJSON:
    """Return a page of a room's retained values, sorted by key. It moves no cursor."""
    name = readable_room(hub, participant, request)
    after = optional_text(request, "after", longest=hub.limits.identifier) or ""
    limit = min(optional_count(request, "limit", least=1) or hub.limits.page_events, hub.limits.page_events)
    values = sorted(await hub.log.retained(name), key=_key)
    values = [record for record in values if _key(record) > after]
    page = _page(values, limit, hub.limits.page_bytes, hub.limits.attachments)
    encoded = encode_page(page)
    rest = {
        "more": len(page) < len(values),
        "through": _key(page[-1]) if page else after,
        "epoch": hub.log.epoch,
        "opening": hub.log.opening,
    }
    return EncodedJSON(b'{"ok":true,"values":%b,%b' % (encoded.json, encode_json(rest)[1:]), encoded.attachments)


def _key(record: Record) -> str:
    return record.key or ""


def _page(values: Sequence[Record], limit: int, max_bytes: int, max_attachments: int) -> Sequence[Record]:
    """Return the first values, up to the limits, and at least one if there is any."""
    size = attachments = 0
    for number, record in enumerate(values[:limit]):
        size += size_of(record)
        attachments += len(record.attachments)
        if number and (size > max_bytes or attachments > max_attachments):
            return values[:number]
    return values[:limit]
