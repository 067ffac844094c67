"""Participants, rooms, and the memberships that connect them.

The three classes refer to each other, so they share a file. `Participants` holds the participants and `RoomRegistry`
the rooms. A `RoomMembership` is held by both of its ends; only `HubCore` makes and ends memberships.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from jupyter_rtmsg.log import StoredSubscription
from jupyter_rtmsg.server import Socket

from .budget import Budget, TokenBucket
from .gaps import GapDetector
from .identity import Identity
from .presence import Presence
from .retained import RetainedState
from .ring import Ring


class StateKeeper(Protocol):
    """Connection state recovery, as participants use it. `LogRecovery` is the implementation."""

    def changed(self, participant: Participant) -> None:
        """Save the participant's state again soon: its rooms have changed."""

    def require_mark(self, participant: Participant) -> None:
        """Send a new mark, which the client must have received before its state may be recovered."""

    def forget(self, participant: Participant) -> asyncio.Future[None] | None:
        """Remove the saved state. The future is done when that is stored; None if there is no saved state."""


class Participant:
    """A connected client: one Socket.IO socket, as the hub sees it.

    Made by `Participants.add` for an admitted socket, and used until that socket is gone.

    Parameters
    ----------
    socket : Socket
    identity : Identity
    bucket : TokenBucket
        Limits the publishes of this connection.
    budget : Budget
        Limits all commands of its principal; shared with the principal's other connections.
    closed : str, optional
        Why the hub cut off the client's previous connection.

    Attributes
    ----------
    identity : Identity
        Replaced by `describe` when a kernel proves itself or its notebook is renamed.
    sender : bytes
        The ``from`` object of its events, as JSON. Always belongs to `identity`.
    memberships : dict of str to RoomMembership
        By room name. `RoomMembership.attach` and `RoomMembership.detach` change it.
    joins : int
        Joins in progress. While there are any, the state of the connection is not saved.
    required_mark : int
        The mark that the client must show to be recovered (`LogRecovery.require_mark`); 0 if none is required.
    """

    __slots__ = (
        "_closed", "_keeper", "bucket", "budget", "identity", "joins", "memberships", "required_mark", "sender",
        "socket",
    )  # fmt: skip

    def __init__(
        self, socket: Socket, identity: Identity, bucket: TokenBucket, budget: Budget, closed: str | None = None
    ) -> None:
        self.socket = socket
        self.bucket = bucket
        self.budget = budget
        self.memberships: dict[str, RoomMembership] = {}
        self.joins = 0
        self.required_mark = 0
        self._closed = closed
        self._keeper: StateKeeper | None = None
        self.describe(identity)

    def describe(self, identity: Identity) -> None:
        """Replace the identity."""
        self.identity = identity
        self.sender = identity.sender

    def take_closed(self) -> str | None:
        """Return why the client's previous connection was cut off. Later calls return None."""
        closed, self._closed = self._closed, None
        return closed

    def begin_join(self) -> None:
        """Count a join in progress."""
        self.joins += 1

    def end_join(self) -> None:
        """Count a join as over."""
        self.joins -= 1
        # A state saved during the join would lack the new room, and a recovered client would miss its events.
        self.rooms_changed()  # the state was not saved while the join was in progress

    # --- connection state recovery

    def keep_state(self, keeper: StateKeeper) -> None:
        """Tell this keeper of changes from now on."""
        self._keeper = keeper

    def rooms_changed(self) -> None:
        """Have the state saved again: the rooms whose live events the client receives have changed."""
        if self._keeper:
            self._keeper.changed(self)

    def require_mark(self) -> None:
        """Have the client prove, if it is to be recovered, that it received everything written until now."""
        if self._keeper:
            self._keeper.require_mark(self)

    def must_show(self, mark: int) -> None:
        """Set the mark that the client must show to be recovered; 0 requires none."""
        self.required_mark = mark

    def forget_state(self) -> asyncio.Future[None] | None:
        """Have the saved state removed. The future is done when that is stored; None if there is no saved state."""
        return self._keeper.forget(self) if self._keeper else None


class MissedEvents(Protocol):
    """Sends a new member the events that it missed. `CatchUp` is the implementation."""

    def begin(self) -> None:
        """Start sending."""

    def cancel(self) -> None:
        """Send nothing more, and do not put the member into the live room."""


class RoomMembership:
    """A participant in a room.

    States: *attached* (a member, but without live events), *catching up* (from `catch_up` on: missed events are sent),
    *live* (from `go_live` on), *detached*.

    Parameters
    ----------
    room : ActiveRoom
    participant : Participant
    subscription : StoredSubscription or None
        The subscription that it owns. `SubscriptionRegistry` moves it.
    generation : int, optional
        By default that of the subscription now.

    Attributes
    ----------
    joined_as : str or None
        The label of the subscription at the time of the join.
    generation : int
        The generation of the subscription that its participant knows; 0 without a subscription.
    live_since : int or None
        The log position from which on it receives live events; None while it does not.
    """

    __slots__ = ("_replay", "generation", "joined_as", "live_since", "participant", "room", "subscription")

    def __init__(
        self,
        room: ActiveRoom,
        participant: Participant,
        subscription: StoredSubscription | None,
        generation: int | None = None,
    ) -> None:
        self.room = room
        self.participant = participant
        self.subscription = subscription
        self.joined_as = subscription and subscription.label
        present = subscription.generation if subscription else 0
        self.generation = present if generation is None else generation
        self.live_since: int | None = None
        self._replay: MissedEvents | None = None

    @property
    def is_attached(self) -> bool:
        """Whether it is the participant's present membership in the room."""
        return self.participant.memberships.get(self.room.name) is self

    def is_called(self, name: str) -> bool:
        """Tell whether its subscription has this label, or had it at the time of the join."""
        return self.subscription is not None and name in (self.subscription.label, self.joined_as)

    def attach(self) -> None:
        """Enter it with the participant and the room, in place of an earlier membership."""
        self.participant.memberships[self.room.name] = self.room.members[self.participant] = self

    def detach(self) -> None:
        """Stop, and remove it from the participant and the room."""
        self.stop()
        del self.participant.memberships[self.room.name], self.room.members[self.participant]

    def catch_up(self, replay: MissedEvents) -> None:
        """Send missed events, beginning with the next step of the event loop: the reply to the join goes first."""
        self._replay = replay
        asyncio.get_running_loop().call_soon(replay.begin)

    def go_live(self, position: int, *, replayed: bool = False) -> None:
        """Receive the room's live events from a log position on.

        Parameters
        ----------
        position : int
        replayed : bool
            Whether missed events were written before.
        """
        # In one step of the loop with the last page of the replay, so that past and live events leave no gap.
        self.live_since = position
        self.participant.socket.join(self.room.channel)
        if replayed:
            # A client that lost a part of the replay must not be recovered at a position after it.
            self.participant.require_mark()
        self.participant.rooms_changed()

    def restart(self, position: int) -> None:
        """Give up catching up and go live: the log, of which the missed events were, has been replaced."""
        if self._replay:
            self._replay.cancel()  # it would read positions of the old log from the new one
        self.go_live(position)

    def stop(self) -> None:
        """Receive no further events of the room."""
        if self._replay:
            self._replay.cancel()
        self.participant.socket.leave(self.room.channel)


class ActiveRoom:
    """An active room: one with members, or with joins in progress.

    Parameters
    ----------
    name : str
    ring : Ring
        Empty, and beginning at the position up to which the hub has followed the log.

    Attributes
    ----------
    channel : str
        The Socket.IO room of the members who receive live events. The prefix keeps it apart from socket ids.
    members : dict of Participant to RoomMembership
    presence : Presence
        The members as others see them, those that lost their connection a moment ago included.
    joins : int
        Joins in progress. They need the room, so it is kept while there are any.
    base, base_n : int
        The seq of the room's last event when it became active, and that event's number; 0 until `set_base`. Later
        events are in the ring.
    gaps : GapDetector
        Follows the numbers of the events that were handed to the room.
    values : RetainedState
        The retained values, for joins.
    """

    __slots__ = ("base", "base_n", "channel", "gaps", "joins", "members", "name", "presence", "ring", "values")

    def __init__(self, name: str, ring: Ring) -> None:
        self.name = name
        self.channel = "r:" + name
        self.ring = ring
        self.members: dict[Participant, RoomMembership] = {}
        self.presence = Presence()
        self.joins = 0
        self.base = self.base_n = 0
        self.gaps = GapDetector()
        self.values = RetainedState(name)

    @property
    def idle(self) -> bool:
        """Whether it has no members, no joins in progress, and nobody in presence."""
        return not self.members and not self.joins and not self.presence

    def begin_join(self) -> None:
        """Count a join in progress."""
        self.joins += 1

    def end_join(self) -> None:
        """Count a join as over."""
        self.joins -= 1

    # --- the last event

    def head_at(self, position: int) -> int:
        """Return the seq of its last event up to a position that the hub has reached."""
        return max(self.base, self.ring.last_until(position))

    def number_at(self, position: int) -> int | None:
        """Return the number of its last event up to a position that the hub has reached; None if it is unknown."""
        number = self.ring.number_until(position)
        return self.base_n if number is None and self.base <= position else number

    def set_base(self, head: int, number: int) -> None:
        """Set the seq and the number of the last event that the log had when the room became active."""
        if head >= self.base:  # two joins may have asked at once, and the later answer came first
            self.base, self.base_n = head, number
        self.gaps.start_at(number)  # has no effect if an event has come since

    # --- a new log, or a deleted room

    def reset(self, ring: Ring) -> None:
        """Begin again with the log of another epoch. All members go live; they may join again for older events."""
        for membership in self.restart(ring):
            membership.restart(ring.start)

    def restart(self, ring: Ring) -> list[RoomMembership]:
        """Begin again with an empty ring, and return the present memberships."""
        self.ring = ring  # joins in progress compare it with the ring that they planned with
        self.base = self.base_n = 0
        self.gaps = GapDetector()
        self.values.changed()
        return list(self.members.values())
