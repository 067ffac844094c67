"""``done``, ``retry``, ``reject`` and ``working``: the answers of a worker for its deliveries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any

import msgspec

from jupyter_rtmsg.errors import BadRequest, LimitExceeded
from jupyter_rtmsg.hub.core import HubCore
from jupyter_rtmsg.hub.groups.registry import Place
from jupyter_rtmsg.hub.names import room_name
from jupyter_rtmsg.hub.request import MAX_INTEGER, Reply, Request, WhenStored, optional_number, text
from jupyter_rtmsg.hub.room import Participant
from jupyter_rtmsg.log import HandlerError

LONGEST_PAUSE = 7 * 86_400.0
CUT = " ... (cut)"
"""The end of a text that was too long."""

Deliveries = Sequence[tuple[int, int]]
_Count = Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]


def done(hub: HubCore, participant: Participant, request: Request) -> WhenStored:
    """Settle events that were handled. Answered when that is stored."""
    place, deliveries = _place(hub, participant, request)
    group, worker = place.runner.group, place.worker
    if max(deliveries, default=(0, 0))[0] <= hub.log.head:  # nearly always: see `_each`
        stale = [list(each) for each in group.done(worker, deliveries)]
    else:
        stale = _each(hub, deliveries, lambda seq, attempt: not group.done(worker, [(seq, attempt)]))
    hub.activity.acknowledged(participant)
    return _stored(hub, place, {"settled": len(deliveries) - len(stale), "stale": stale})


def retry(hub: HubCore, participant: Participant, request: Request) -> WhenStored:
    """Give events again later."""
    place, deliveries = _place(hub, participant, request)
    after = optional_number(request, "after", most=LONGEST_PAUSE)
    error, now = _error(hub, request), hub.clock()
    group, worker = place.runner.group, place.worker
    before = group.buried
    stale = _each(
        hub, deliveries, lambda seq, attempt: group.retry(worker, seq, attempt, now, after=after, error=error)
    )
    dead = group.buried - before
    return _stored(hub, place, {"returned": len(deliveries) - len(stale) - dead, "dead": dead, "stale": stale})


def reject(hub: HubCore, participant: Participant, request: Request) -> WhenStored:
    """Make events dead letters."""
    place, deliveries = _place(hub, participant, request)
    reason = _cut(text(request, "reason"), hub.limits.error_text)
    error, now = _error(hub, request), hub.clock()
    group, worker = place.runner.group, place.worker
    stale = _each(
        hub, deliveries, lambda seq, attempt: group.reject(worker, seq, attempt, now, reason=reason, error=error)
    )
    return _stored(hub, place, {"dead": len(deliveries) - len(stale), "stale": stale})


def working(hub: HubCore, participant: Participant, request: Request) -> Reply:
    """Renew the time by which events have to be answered for (``ack_wait``)."""
    place, deliveries = _place(hub, participant, request)
    now = hub.clock()
    group, worker = place.runner.group, place.worker
    stale = _each(hub, deliveries, lambda seq, attempt: group.working(worker, seq, attempt, now))
    place.runner.changed()
    return {"ok": True, "stale": stale}


def deliveries_of(hub: HubCore, request: Request, field: str = "deliveries") -> Deliveries:
    """Return the deliveries in a request, pairs of seq and attempt.

    Raises
    ------
    BadRequest
    LimitExceeded
    """
    given: Any = request.get(field)
    if type(given) is not list:
        raise BadRequest(f"`{field}` must be an array of [seq, attempt]")
    if len(given) > hub.limits.in_flight:
        raise LimitExceeded(f"`{field}` has {len(given)} entries, more than the {hub.limits.in_flight} allowed")
    try:
        return msgspec.convert(given, list[tuple[_Count, _Count]])
    except msgspec.ValidationError as error:  # "... - at `$[3][0]`"
        at = str(error).partition("$[")[2].partition("]")[0]
        raise BadRequest(f"entry {at} of `{field}` must be [seq, attempt], two integers of at least 0") from None


def _place(hub: HubCore, participant: Participant, request: Request) -> tuple[Place, Deliveries]:
    room, name = room_name(text(request, "room")), text(request, "group")
    place = hub.groups.place(participant, room, name)
    deliveries = deliveries_of(hub, request)
    participant.budget.charge_items(len(deliveries), hub.clock())
    return place, deliveries


def _each(hub: HubCore, deliveries: Deliveries, answer: Callable[[int, int], bool]) -> list[list[int]]:
    """Call ``answer(seq, attempt)`` for each delivery, and return those that were not the worker's any more."""
    locate, head = hub.log.locate, hub.log.head
    stale: list[list[int]] = []
    for seq, attempt in deliveries:
        # A worker may answer for an event that it got before the log was moved from memory into its file.
        here = seq if seq <= head else locate(seq)
        if here is None or not answer(here, attempt):
            stale.append([seq, attempt])
    return stale


def _stored(hub: HubCore, place: Place, reply: Reply) -> WhenStored:
    place.runner.store()
    place.runner.changed()
    return WhenStored(hub.log.groups.stored(), {"ok": True, **reply})


def _error(hub: HubCore, request: Request) -> HandlerError | None:
    error: Any = request.get("error")
    if error is None:
        return None
    if type(error) is not dict:
        raise BadRequest("`error` must be an object with `type`, `message` and `traceback`")
    parts = {field: error.get(field) or "" for field in ("type", "message", "traceback")}
    for field, value in parts.items():
        if type(value) is not str:
            raise BadRequest(f"`{field}` of `error` must be a string")
    limits = hub.limits
    return HandlerError(
        _cut(parts["type"] or "Error", limits.identifier),
        _cut(parts["message"], limits.error_text),
        _cut_start(parts["traceback"], limits.error_traceback),
    )


def _cut(value: str, longest: int) -> str:
    return value if len(value) <= longest else value[: longest - len(CUT)] + CUT


def _cut_start(value: str, longest: int) -> str:
    """Cut the start of a traceback: its end tells where the error was raised."""
    return value if len(value) <= longest else CUT.strip() + "\n" + value[len(CUT) - longest :]
