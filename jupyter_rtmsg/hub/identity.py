"""Who is at the other end of a connection."""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import PurePosixPath
from typing import Any, Protocol

from jupyter_rtmsg.errors import ConnectionRefused
from jupyter_rtmsg.wire.data import encode_json

from .limits import Limits

ANONYMOUS = "anonymous"


class Peer(Protocol):
    """What is looked at of a Socket.IO socket."""

    id: str
    user: Any
    auth: dict[str, Any]

    @property
    def handshake(self) -> Any:
        """What is known from the connecting."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel that has proved itself.

    Attributes
    ----------
    id : str
    notebook : str or None
        The path of the notebook that it runs.
    """

    id: str
    notebook: str | None = None

    @property
    def subscription(self) -> str:
        """The name of its subscriptions unless it gives another."""
        return self.notebook or f"kernel:{self.id}"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is speaking, established by the server and never taken from what a client says.

    Attributes
    ----------
    principal : str
        The authenticated user, the key of rights and subscriptions.
    kind : str
        ``"kernel"``, ``"browser"`` or ``"client"``.
    name : str
        Shown in presence.
    member : str
        The id in presence: of a client, where it gave one, else of the connection.
    notebook : str or None
    client : str or None
        The UUID that a client keeps across reconnects.
    subscription : str or None
        The name of its subscriptions by default.
    kernel : str or None
        The id of the kernel that it runs in, once that is proved.
    process : str or None
        The id that its process gave itself: a kernel that was restarted is another process.
    """

    principal: str
    kind: str
    name: str
    member: str
    notebook: str | None = None
    client: str | None = None
    subscription: str | None = None
    kernel: str | None = None
    process: str | None = None

    @property
    def sender(self) -> bytes:
        """The ``from`` of its events, as JSON."""
        return encode_json({"user": self.principal, "kind": self.kind, "member": self.member})

    def proved(self, kernel: Kernel) -> Identity:
        """Return this identity as that of a kernel."""
        named = replace(
            self, kind="kernel", kernel=kernel.id, notebook=kernel.notebook, subscription=kernel.subscription
        )
        return named if self.name or not kernel.notebook else replace(named, name=PurePosixPath(kernel.notebook).stem)

    def renamed(self, old: str, new: str) -> Identity:
        """Return this identity after its notebook was renamed."""
        name = PurePosixPath(new).stem if self.name == PurePosixPath(old).stem else self.name
        subscription = new if self.subscription == old else self.subscription
        return replace(self, notebook=new, name=name, subscription=subscription)


def principal_of(user: Any) -> str:
    """Return the principal that the HTTP handshake or a middleware established."""
    if user is None:
        return ANONYMOUS
    return user if isinstance(user, str) else str(user.username)


def identify(socket: Peer, limits: Limits) -> Identity:
    """Return who is speaking on a socket.

    Raises
    ------
    ConnectionRefused
        If ``client`` or ``name`` in CONNECT's ``auth`` are no strings, or too long.
    """
    auth = socket.auth
    client = _text(auth, "client", limits.identifier) or None
    principal = principal_of(socket.user)
    return Identity(
        principal=principal,
        kind="browser" if socket.handshake.headers.get("Origin") else "client",
        name=_text(auth, "name", limits.name),
        member=_member(principal, client, socket.id),
        client=client,
    )


def _member(principal: str, client: str | None, socket_id: str) -> str:
    key = f"client\0{principal}\0{client}" if client else f"socket\0{socket_id}"
    return blake2b(key.encode(), digest_size=8).hexdigest()


def _text(auth: dict[str, Any], key: str, longest: int) -> str:
    value = auth.get(key)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > longest:
        raise ConnectionRefused(f"`{key}` must be a string of at most {longest} characters", {"code": "bad_request"})
    return value
