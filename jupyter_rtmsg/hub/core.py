"""The core of the hub: its rooms, participants and subscriptions, and how participants become members of rooms."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from jupyter_rtmsg.errors import Forbidden, Shutdown
from jupyter_rtmsg.log import EventLog, StoredGroup, StoredSubscription
from jupyter_rtmsg.wire.socketio import Encoded

from .application import Access, AccessControl, Activity, AllowAll, FindKernel, NoActivity, Prove
from .catchup import CatchUp
from .follow import Follower
from .groups.registry import GroupRegistry
from .identity import Identity
from .limits import Limits
from .participants import CLIENT_LEFT, Participants
from .presence_broadcaster import PresenceBroadcaster
from .replay import ReplayPlan, ReplayPlanner
from .ring import Ring
from .room import ActiveRoom, Participant, RoomMembership
from .rooms import RoomRegistry
from .staging import Staging
from .subscriptions import SubscriptionRegistry
from .wills import Wills

KERNELS_OF_0_1_0 = "token:kernel"
"""The principal of all kernels in version 0.1.0."""


class HubCore:
    """The parts of a hub, as its commands and its recovery use them.

    It knows neither commands nor their transport: `Hub` starts and stops the parts, and connects them with the server.
    Only its methods change who is a member of which room.

    Parameters
    ----------
    log : EventLog
    limits : Limits
    clock : callable
        Monotonic seconds.
    deliver, reset : callable
        See `Follower`.
    access, activity, prove, find_kernel, owner, former_names
        See `Hub`.
    base, version : str
        See `Hub`.

    Attributes
    ----------
    access : AccessControl
        What participants may do.
    rooms : RoomRegistry
        The active rooms, and how many there may be.
    participants : Participants
        Everybody who is connected.
    follower : Follower
        Hands the events of the log to the rooms.
    subscriptions : SubscriptionRegistry
        The named cursors, and the memberships that own them.
    groups : GroupRegistry
        The worker groups, and who works for them.
    planner : ReplayPlanner
        Finds out what a join has to send.
    presence : PresenceBroadcaster
        Tells members who comes and goes.
    wills : Wills
        What is published for members that are lost.
    staging : Staging
        The parts of events that are not published yet.
    """

    def __init__(
        self,
        log: EventLog,
        limits: Limits,
        clock: Callable[[], float],
        deliver: Callable[[Sequence[tuple[str, Encoded]]], None],
        reset: Callable[[str], None],
        *,
        access: Access | None = None,
        activity: Activity | None = None,
        prove: Prove | None = None,
        find_kernel: FindKernel | None = None,
        owner: Callable[[], str | None] = lambda: None,
        former_names: Callable[[str], Iterable[str]] = lambda principal: (),
        base: str = "/",
        version: str = "",
    ) -> None:
        self.log = log
        self.limits = limits
        self.clock = clock
        self.access = AccessControl(access or AllowAll())
        self.activity: Activity = activity or NoActivity()
        self.prove = prove
        self.find_kernel = find_kernel
        self.owner = owner
        self.former_names = former_names
        self.base, self.version = base, version
        self.rooms = RoomRegistry(limits, lambda: self.owner())
        self.participants = Participants(limits, clock, self._disconnected)
        self.follower = Follower(log, self.rooms, deliver, reset)
        self.groups = GroupRegistry(log, self.follower, limits, clock, lambda: self.owner())
        self.subscriptions = SubscriptionRegistry(log, limits)
        self.planner = ReplayPlanner(log, self.follower, limits)
        self.staging = Staging(log, limits, clock)
        self.wills = Wills(log, limits, self._is_present)
        self.presence = PresenceBroadcaster(limits, self.settle, self.wills.lost)

    # --- rooms

    def acquire_room(self, name: str, principal: str) -> ActiveRoom:
        """Return a room that a principal is about to join. Call `release_room` when the join is over.

        Raises
        ------
        LimitExceeded
        """
        return self.rooms.acquire(name, principal, self.new_ring)

    def release_room(self, room: ActiveRoom) -> None:
        """End a join that `acquire_room` began."""
        room.end_join()
        self.settle(room)

    def settle(self, room: ActiveRoom) -> None:
        """Let go of a room if it has become idle."""
        self.rooms.settle(room)
        if room.idle:
            self.presence.forget(room)

    def new_ring(self) -> Ring:
        """Return an empty ring, for the events that the hub has not handed to rooms yet."""
        return Ring(self.follower.position, max_events=self.limits.ring_events, max_bytes=self.limits.ring_bytes)

    # --- members

    def enter(
        self,
        participant: Participant,
        room: ActiveRoom,
        plan: ReplayPlan,
        subscription: StoredSubscription | None,
        values: Sequence[Encoded] = (),
        generation: int | None = None,
    ) -> RoomMembership:
        """Make a participant a member of a room. It catches up after the reply to its join has been written.

        ``values`` are the retained values, which it gets first. ``generation`` is that of the subscription as the
        participant knows it; by default the present one.

        Raises
        ------
        Shutdown
            If its connection, or the hub, has ended meanwhile.
        """
        # The plan was made in several steps: the client may have gone meanwhile.
        if self.participants.closed or not participant.socket.connected:
            raise Shutdown("the connection has ended")
        membership = RoomMembership(room, participant, subscription, generation)
        earlier = participant.memberships.get(room.name)
        if earlier:
            # It joins again, to start elsewhere. For others it was never gone.
            earlier.stop()
            self.subscriptions.release(earlier)
        else:
            room.presence.arrive(participant.identity)
        membership.attach()
        self._take_over(membership)
        self.presence.changed(room)
        self.rooms.watchers.changed()
        membership.catch_up(
            CatchUp(
                membership, self.log, self.follower, self.limits,
                position=plan.position, missed_through=plan.head, number=plan.number, values=values,
            )
        )  # fmt: skip
        return membership

    def remove(self, membership: RoomMembership, *, lost: bool = False) -> None:
        """End a membership.

        Parameters
        ----------
        membership : RoomMembership
            Nothing happens if it has ended already.
        lost : bool
            Whether the connection broke, so that the client may come back.
        """
        if not membership.is_attached:
            return
        room, participant = membership.room, membership.participant
        membership.detach()
        self.subscriptions.release(membership)
        # A lost member stays in presence as away, and so keeps the room active, until its grace time is over.
        member = participant.identity.member
        if room.presence.depart(member, lost=lost):
            self.presence.away(room, member)
        elif member not in room.presence:
            self.wills.forget(room.name, member)
        self.presence.changed(room)
        self.settle(room)
        participant.rooms_changed()

    def recheck(self, principal: str | None = None) -> None:
        """Remove members and workers that have no right to be there any more: those of one principal, or all."""
        for participant in list(self.participants):  # copies: `_recheck` removes memberships
            if principal in (None, participant.identity.principal):
                for membership in list(participant.memberships.values()):
                    self._recheck(membership)
                for group in self.groups.work_of(participant):
                    self._recheck_work(participant, group)

    def _take_over(self, membership: RoomMembership) -> None:
        """Make a membership the owner of its subscription, and remove the previous owner from the room."""
        previous = self.subscriptions.take(membership)
        # A participant that joins again takes the subscription over from itself, and is not told.
        if previous and previous.subscription and previous.participant is not membership.participant:
            self.remove(previous)
            taken = {"room": previous.room.name, "as": previous.subscription.label}
            previous.participant.socket.emit("$taken", taken)
            previous.participant.require_mark()

    def announce_seek(self, row: StoredSubscription, by: Participant, state: Mapping[str, object]) -> None:
        """Tell the owner of a subscription that another participant has moved it."""
        owner = self.subscriptions.owner(row)
        if owner and owner.participant is not by:
            owner.participant.socket.emit("$seek", {"room": row.room, "as": row.label, **state})

    def _recheck(self, membership: RoomMembership) -> None:
        participant, room = membership.participant, membership.room.name
        if not self.access.allows(participant.identity, "read", room):
            self.remove(membership)
            message = f"{participant.identity.principal} may not read in room {room!r} any more"
            refused = {"command": "join", "room": room, "code": Forbidden.code, "message": message}
            participant.socket.emit("$error", refused)
            participant.require_mark()

    def _is_present(self, room: str, member: str) -> bool:
        """Tell whether a member is in a room, or away from it for a moment."""
        active = self.rooms.active.get(room)
        return active is not None and member in active.presence

    def _recheck_work(self, participant: Participant, group: StoredGroup) -> None:
        if not all(self.access.allows(participant.identity, action, group.room) for action in ("read", "write")):
            self.groups.leave(participant, group.room, group.name)
            message = f"{participant.identity.principal} may not work in room {group.room!r} any more"
            refused = {"command": "work", "room": group.room, "group": group.name, "code": Forbidden.code}
            participant.socket.emit("$error", {**refused, "message": message})

    def _disconnected(self, participant: Participant, reason: str) -> None:
        self.rooms.watchers.discard(participant)
        self.staging.disconnected(participant)
        self.groups.disconnected(participant, lost=reason != CLIENT_LEFT)
        for membership in list(participant.memberships.values()):
            self.remove(membership, lost=reason != CLIENT_LEFT)

    # --- identities

    def describe(self, participant: Participant, identity: Identity) -> None:
        """Replace the identity of a participant, in its rooms as well."""
        participant.describe(identity)
        for membership in participant.memberships.values():
            membership.room.presence.describe(identity)
            self.presence.changed(membership.room)

    async def find_notebook(self, participant: Participant) -> None:
        """Look again for the notebook of a kernel that had none when it proved itself."""
        # Jupyter assigns a notebook to a kernel after it has started, perhaps after the kernel has connected.
        identity = participant.identity
        if self.find_kernel and identity.kernel and not identity.notebook:
            kernel = await self.find_kernel(identity.kernel)
            if kernel.notebook:
                self.describe(participant, participant.identity.proved(kernel))

    def former_principals(self, identity: Identity) -> list[str]:
        """Return the principals under which version 0.1.0 kept the subscriptions of an identity."""
        kernels = [KERNELS_OF_0_1_0] if identity.path is not None else []
        return [identity.principal, *kernels, *self.former_names(identity.principal)]
