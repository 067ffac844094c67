"""What the hub asks of the application around it, and tells it: access rights, kernels, and activity."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal, Protocol

from jupyter_rtmsg.errors import Forbidden
from jupyter_rtmsg.logthrottle import throttled_logger

from .identity import Claim, Identity, ProvenKernel
from .room import Participant

logger = throttled_logger(__name__)

Action = Literal["read", "write", "manage"]

Prove = Callable[[Claim], Awaitable[ProvenKernel | None]]
"""Returns the kernel that a claim proves, or None."""

FindKernel = Callable[[str], Awaitable[ProvenKernel]]
"""Returns a kernel that has proved itself, by its id, with the notebook that it runs now."""

Permits = Callable[[str], bool]
"""Tells whether the subscriptions of a principal may be moved or ended."""


def anybody(principal: str) -> bool:
    """Permit every principal (a `Permits`)."""
    return True


def nobody(principal: str) -> bool:
    """Permit no principal (a `Permits`)."""
    return False


class Access(Protocol):
    """The rights of credentials.

    The hub calls it for every command, and again from time to time for every member, so it must not block.
    """

    def allows(self, credential: str, action: Action, room: str) -> bool:
        """Tell whether a credential may act in a room.

        Parameters
        ----------
        credential : str
            Key of what the connection has shown (`Identity.credential`): two tokens of one user may differ in rights.
        action : str
            ``"read"`` (join, history, presence, lag), ``"write"`` (publish) or ``"manage"`` (delete, policy).
        room : str
        """


class AllowAll:
    """The default `Access`: everybody may read and write. A room's maker may delete it, as always."""

    def allows(self, credential: str, action: Action, room: str) -> bool:
        """Allow reading and writing."""
        return action != "manage"


class AccessControl:
    """Decides by an `Access` what participants may do. If the access check raises, the answer is no.

    Parameters
    ----------
    access : Access
    """

    def __init__(self, access: Access) -> None:
        self._access = access

    def allows(self, identity: Identity, action: Action, room: str) -> bool:
        """Tell whether somebody may act in a room."""
        try:
            return self._access.allows(identity.credential, action, room)
        except Exception:  # application code: a bug in it must not grant rights
            logger.exception("the access check of %s for room %r failed: access is denied", identity.principal, room)
            return False

    def require(self, identity: Identity, action: Action, room: str) -> None:
        """Raise unless somebody may act in a room.

        Raises
        ------
        Forbidden
        """
        if not self.allows(identity, action, room):
            raise Forbidden(f"{identity.principal} may not {action} in room {room!r}")


class Activity(Protocol):
    """Is told when participants do something. Called for every publish, so it must not block."""

    def published(self, participant: Participant) -> None:
        """Note that an event was published: it is stored, or, if volatile, was handed to the members."""

    def acknowledged(self, participant: Participant) -> None:
        """Note that handlers of a participant have handled events which its subscription had not seen before."""


class NoActivity:
    """The default `Activity`: does nothing."""

    def published(self, participant: Participant) -> None:
        """Do nothing."""

    def acknowledged(self, participant: Participant) -> None:
        """Do nothing."""
