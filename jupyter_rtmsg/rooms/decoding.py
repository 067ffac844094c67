"""What the hub sends, as objects: positions in the log, senders and events (docs/wire.md)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import fields
from functools import lru_cache
from typing import Any, NamedTuple

from jupyter_rtmsg.event import Event, EventDelivery, Sender
from jupyter_rtmsg.payloads.lazy import payload_of


class Era(NamedTuple):
    """The log that a position belongs to, and the opening of its file (docs/wire.md, "Positions").

    Attributes
    ----------
    epoch : str
        The id of the log; empty if it is not known.
    opening : str
        The id of the opening; empty at a hub that does not send one.
    """

    epoch: str
    opening: str = ""

    @classmethod
    def of(cls, reply: Mapping[str, Any]) -> Era:
        """Read the era of a reply, or of a notice of the hub."""
        return cls(str(reply.get("epoch") or ""), str(reply.get("opening") or ""))

    @property
    def fields(self) -> dict[str, str]:
        """The fields of a request that go with a seq."""
        return {"epoch": self.epoch, "opening": self.opening} if self.opening else {"epoch": self.epoch}


class Position(NamedTuple):
    """A position in a room.

    Attributes
    ----------
    era : Era
    seq : int
    n : int or None
        The number of the room's last event up to the position; None if it is not known.
    generation : int or None
        The generation of the subscription in which it was reached: each seek begins one (docs/wire.md, "Seek"). None
        without a subscription.
    """

    era: Era
    seq: int
    n: int | None = None
    generation: int | None = None

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of a request that go with the seq of this position."""
        known = {"n": self.n, "generation": self.generation}
        return {**self.era.fields, **{key: value for key, value in known.items() if value is not None}}


NO_POSITION = Position(Era(""), 0)


def sender_of(fields: Mapping[str, Any]) -> Sender:
    """Make a sender from the ``from`` of an event. Senders of version 0.1.0 have no name; their user is used."""
    get = fields.get
    user = get("user", "")
    return _sender(user, get("kind", ""), get("name") or user, get("member", ""), get("notebook"))


@lru_cache(maxsize=1024)
def _sender(user: str, kind: str, name: str, member: str, notebook: str | None) -> Sender:
    return Sender(user, "script" if kind == "client" else kind, name, member, notebook)


# A frozen dataclass sets its fields through object.__setattr__. Setting the slots takes half the time, which counts for
# every event of a fast stream.
_new = object.__new__
(
    _set_room,
    _set_name,
    _set_wire,
    _set_seq,
    _set_prev,
    _set_ts,
    _set_sender,
    _set_id,
    _set_replay,
    _set_n,
    _set_key,
    _set_retained,
    _set_delivery,
    _set_lazy,
) = (vars(Event)[field.name].__set__ for field in fields(Event))


def event_of(
    room: str, name: str, data: Any, meta: Mapping[str, Any], replay: bool, delivery: EventDelivery | None = None
) -> Event:
    """Make an event from its name, data and metadata on the wire (docs/wire.md, "Events")."""
    get = meta.get
    sender = sender_of(get("from") or {})
    event = _new(Event)
    _set_room(event, room)
    _set_name(event, name)
    _set_wire(event, data)
    _set_seq(event, get("seq"))
    _set_prev(event, get("prev"))
    _set_ts(event, get("ts", 0))
    _set_sender(event, sender)
    _set_id(event, get("id"))
    _set_replay(event, replay)
    _set_n(event, get("n"))
    _set_key(event, get("key"))
    _set_retained(event, "retained" in meta)
    _set_delivery(event, delivery)
    _set_lazy(event, payload_of(data))
    return event


def hub_meta() -> dict[str, Any]:
    """Return the metadata of an event of the hub itself, which is in no log."""
    return {"ts": int(time.time() * 1000), "from": {"kind": "hub"}}


def notice_of(room: str, name: str, data: Any) -> Event:
    """Make an event of the hub itself."""
    return event_of(room, name, data, hub_meta(), replay=False)
