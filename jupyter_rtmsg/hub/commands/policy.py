"""``policy``: reads or sets how much a room may hold."""

from __future__ import annotations

from typing import Any

import msgspec

from jupyter_rtmsg.errors import BadRequest
from jupyter_rtmsg.hub.core import HubCore
from jupyter_rtmsg.hub.names import room_name
from jupyter_rtmsg.hub.request import Reply, Request, optional_count, text
from jupyter_rtmsg.hub.room import Participant
from jupyter_rtmsg.log import Policy

from .command import require_manage

_FIELDS = ("count", "age", "bytes", "discard")
_LEAST_AGE = 1.0  # seconds: the log looks for expired events no more often


async def policy(hub: HubCore, participant: Participant, request: Request) -> Reply:
    """Return the policy of a room. A request with one of its fields sets these first; null takes a limit away."""
    name = room_name(text(request, "room"))
    hub.access.require(participant.identity, "read", name)
    if any(field in request for field in _FIELDS):
        changed = _changed(hub.log.policies.get(name) or Policy(), request, hub.log.policies.limits)
        await require_manage(hub, participant, name)
        await hub.log.policies.set(name, changed)
    return await _reply(hub, name)


def _changed(policy: Policy, request: Request, limits: Policy) -> Policy:
    """Return a policy with the fields of a request."""
    given: dict[str, Any] = {}
    for field, unit in (("count", "events"), ("bytes", "bytes")):
        if field in request:
            given[field] = _within(field, optional_count(request, field, least=1), getattr(limits, field), unit)
    if "age" in request:
        given["age"] = _within("age", _age(request["age"]), limits.age, "seconds")
    if "discard" in request:
        given["refuse"] = _refuses(request["discard"])
    changed = msgspec.structs.replace(policy, **given)
    if changed.refuse and changed.count is None and changed.bytes is None:
        raise BadRequest("`discard` is 'refuse', and there is nothing to refuse: give `count` or `bytes`, too")
    return changed


def _within(field: str, value: float | None, limit: float | None, unit: str) -> float | None:
    if value is not None and limit is not None and value > limit:
        raise BadRequest(
            f"`{field}` is {value:,} {unit}, and this log keeps at most {limit:,}: ask for that or less, or let the "
            "operator of the server raise its limit"
        )
    return value


def _age(value: object) -> float | None:
    if value is None:
        return None
    if type(value) not in (int, float) or not value >= _LEAST_AGE:  # type: ignore[operator]
        raise BadRequest(f"`age` must be a number of at least {_LEAST_AGE:g} (seconds), not {value!r:.80}")
    return float(value)  # type: ignore[arg-type]


def _refuses(value: object) -> bool:
    if value not in (None, "old", "refuse"):
        raise BadRequest(f"`discard` must be 'old' or 'refuse', not {value!r:.80}")
    return value == "refuse"


async def _reply(hub: HubCore, name: str) -> Reply:
    policy, limits = hub.log.policies.get(name) or Policy(), hub.log.policies.limits
    stats = await hub.log.stats(name)
    return {
        "ok": True,
        "count": policy.count,
        "age": policy.age,
        "bytes": policy.bytes,
        "discard": "refuse" if policy.refuse else "old",
        "maker": stats.maker if stats.count else hub.rooms.quota.makers.get(name),
        "limits": {"count": limits.count, "age": limits.age, "bytes": limits.bytes},
    }
