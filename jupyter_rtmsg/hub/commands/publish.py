"""``publish``: hands an event to the log. Its speed matters more than that of any other command."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from jupyter_rtmsg.errors import BadRequest, TooLarge
from jupyter_rtmsg.hub.budget import BYTES_PER_UNIT
from jupyter_rtmsg.hub.core import HubCore
from jupyter_rtmsg.hub.data import encode_data
from jupyter_rtmsg.hub.names import MAX_LENGTH, event_name, room_name, state_key
from jupyter_rtmsg.hub.request import Reply, Request, flag, optional_count, optional_seconds, optional_text, text
from jupyter_rtmsg.hub.room import Participant
from jupyter_rtmsg.log import Draft
from jupyter_rtmsg.wire.data import encode_json

ENVELOPE = 4096
"""Bytes that an event may need beside its data: for names, sender and the rest."""
LONGEST = 10 * 366 * 86_400.0
"""The largest ``expire`` (seconds)."""
_STORED_ONLY = {
    "expect": "compares with a stored event",
    "retain": "keeps a stored event as the value of a key",
    "expire": "says how long an event is stored",
}


class _Options(NamedTuple):
    """The fields of a publish that most events do not have. ``expire`` is in ms."""

    retain: str | None = None
    expire: int | None = None
    keep: bool = False
    expect: int | None = None
    volatile: bool = False


_PLAIN = frozenset({"room", "event", "data", "id", "auto"})  # the fields that most events have
_NO_OPTIONS = _Options()


def publish(hub: HubCore, participant: Participant, request: Request) -> Draft | Reply:
    """Return the event to store: `CommandRouter` submits it, and replies when it is stored. Announce a volatile one."""
    participant.bucket.take(hub.clock())
    if "parts" in request:
        _require_none_in_parts(hub, request)
    options = _NO_OPTIONS if _PLAIN.issuperset(request) else _options(request)
    draft = _draft(hub, participant, request, options)
    hub.access.require(participant.identity, "write", draft.room)
    if options.volatile:
        _require_stored(request)
        hub.log.announce(draft)
        hub.activity.published(participant)
        return {"ok": True, "seq": None, "duplicate": False}
    hub.rooms.quota.make(draft.room, draft.user)
    return draft if "parts" not in request else _in_parts(hub, participant, request, draft)


def _require_stored(request: Request) -> None:
    """Raise `BadRequest` for a volatile event with a field that only stored events have."""
    for field, why in _STORED_ONLY.items():
        if request.get(field) is not None:
            raise BadRequest(f"`{field}` {why}, and a volatile event is not stored: leave out `volatile` or `{field}`")


def _options(request: Request) -> _Options:
    key, expire = (
        optional_text(request, "retain", longest=MAX_LENGTH),
        optional_seconds(request, "expire", most=LONGEST),
    )
    keep = flag(request, "keep")
    if keep and (expire is None or key is None):
        raise BadRequest("`keep` says that a value stays when its event expires: give `retain` and `expire` with it")
    return _Options(
        retain=None if key is None else state_key(key),
        expire=None if expire is None else max(1, round(expire * 1000)),
        keep=keep,
        expect=optional_count(request, "expect"),
        volatile=flag(request, "volatile"),
    )


def _draft(hub: HubCore, participant: Participant, request: Request, options: _Options) -> Draft:
    limits, identity = hub.limits, participant.identity
    room = room_name(text(request, "room"))
    name = event_name(text(request, "event"))
    data, attachments = encode_data(request.get("data"), max_depth=limits.depth, max_attachments=limits.attachments)
    if len(data) > BYTES_PER_UNIT:
        participant.budget.charge_bytes(len(data), hub.clock())
    size = len(data) + ENVELOPE + (sum(map(len, attachments)) if attachments else 0)
    if size > limits.message:
        raise TooLarge(
            f"the event takes {size} bytes with its envelope, more than the {limits.message} that a message may have: "
            f"send it in parts (`stage`; up to {limits.event}), or a link to it"
        )
    return Draft(
        room=room,
        name=name,
        data=data,
        attachments=attachments,
        sender=participant.sender,
        user=identity.principal,
        client=identity.client,
        id=optional_text(request, "id", longest=limits.identifier),
        expect=options.expect,
        auto=flag(request, "auto"),
        retain=options.retain,
        expire=options.expire,
        keep=options.keep,
    )


def upload_name(hub: HubCore, request: Request, key: str) -> str:
    """Return the name of an upload; raise `BadRequest` or `LimitExceeded`."""
    name = optional_text(request, key, longest=hub.limits.identifier)
    if name is None:
        raise BadRequest(f"`{key}` is missing: it is the name of an upload")
    return name


def _require_none_in_parts(hub: HubCore, request: Request) -> None:
    """Raise `TooLarge` or `BadRequest` for an event in parts with a field that only whole events have."""
    for field, what in (("volatile", "a volatile event"), ("retain", "the value of a key")):
        if request.get(field) not in (None, False):
            most = hub.limits.message - ENVELOPE
            raise TooLarge(f"{what} has no parts: it may have {most} bytes in all, in one message")
    if request.get("data") is not None:
        raise BadRequest("`data` and `parts` exclude each other: the parts are the data")


def _in_parts(hub: HubCore, participant: Participant, request: Request, draft: Draft) -> Draft:
    """Return an event with the parts of an upload. `CommandRouter` tells `Staging` of its outcome."""
    sizes, most = request.get("sizes"), 1 + hub.limits.attachments
    if type(sizes) is not list or not 1 <= len(sizes) <= most or not _are_sizes(sizes):
        raise BadRequest(f"`sizes` must be the bytes of the JSON and of each attachment: 1 to {most} integers")
    upload = hub.staging.begin_commit(participant, upload_name(hub, request, "parts"), sum(sizes))
    told = {"count": upload.of, "size": upload.size, "sizes": sizes, "crc": upload.crc}
    return msgspec.structs.replace(draft, data=encode_json({"$parts": told}), parts=upload.parts)


def _are_sizes(sizes: Sequence[Any]) -> bool:
    return all(type(size) is int and 0 <= size < 1 << 40 for size in sizes) and sizes[0] > 0
