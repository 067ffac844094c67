"""Who is at the other end of a connection."""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import PurePosixPath
from typing import Any, NamedTuple, Protocol

from jupyter_rtmsg.displayname import displayable, fault
from jupyter_rtmsg.errors import ConnectionRefused
from jupyter_rtmsg.wire.data import encode_json

from .limits import Limits
from .names import SubscriptionName

ANONYMOUS = "anonymous"
KINDS = ("script", "agent")
"""What a client may call itself in CONNECT's ``auth``; that it is a browser or a kernel, the server sees itself."""
LONGEST_NOTEBOOK = 1024
"""Bytes of JSON of the longest path of a notebook that goes out with events: their envelope is bounded."""


class Peer(Protocol):
    """What is looked at of a Socket.IO socket."""

    id: str
    user: Any
    auth: dict[str, Any]

    @property
    def handshake(self) -> Any:
        """What is known from the connecting."""


class Claim(NamedTuple):
    """What a connection shows to be taken for that of a kernel (docs/wire.md, "Proof of a kernel").

    Attributes
    ----------
    kernel : str
        The kernel's id, by which its connection file is named.
    proof : str
    socket_id : str
    principal : str
        Who has connected.
    address : str or None
        The server's base URL as the client has asked for it; the proof covers it. None with a proof of 0.1.0.
    """

    kernel: str
    proof: str
    socket_id: str
    principal: str
    address: str | None = None


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel that has proved itself.

    Attributes
    ----------
    id : str
    notebook : str or None
        The path of the notebook that it runs, as people see it: relative to the server's root.
    path : str or None
        The real path of that notebook, by which it is known again under another root; by default the same.
    public : bool
        Whether everybody may see its path.
    """

    id: str
    notebook: str | None = None
    path: str | None = None
    public: bool = False


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is speaking, established by the server and never taken from what a client says.

    Attributes
    ----------
    principal : str
        The authenticated user, the key of subscriptions and limits.
    kind : str
        ``"browser"``, ``"kernel"``, ``"script"`` or ``"agent"``.
    name : str
        What people see: a person's display name, the stem of a kernel's notebook, or what a client calls itself; the
        principal where there is none of them.
    member : str
        The id in presence: of a client, where it gave one, else of the connection.
    notebook : str or None
    public : bool
        Whether everybody may see the notebook's path.
    client : str or None
        The UUID that a client keeps across reconnects.
    path : str or None
        The real path of the notebook.
    kernel : str or None
        The id of the kernel that it runs in, once that is proved.
    process : str or None
        The id that its process gave itself: a kernel that was restarted is another process.
    credential : str
        The key of its rights. Connections of one principal may have shown different credentials, with different rights.
    """

    principal: str
    kind: str
    name: str
    member: str
    notebook: str | None = None
    public: bool = False
    client: str | None = None
    path: str | None = None
    kernel: str | None = None
    process: str | None = None
    credential: str = ""

    @property
    def subscription(self) -> SubscriptionName | None:
        """The name of its subscriptions by default: a kernel without a notebook has none, as it never comes back."""
        if self.path is None or self.notebook is None:
            return None
        return SubscriptionName.of_notebook(self.path, self.notebook)

    @property
    def sender(self) -> bytes:
        """The ``from`` of its events, as JSON."""
        sender = {"user": self.principal, "kind": self.kind, "name": self.name, "member": self.member}
        if self.notebook and self.public and len(encode_json(self.notebook)) <= LONGEST_NOTEBOOK:
            sender["notebook"] = self.notebook
        return encode_json(sender)

    def proved(self, kernel: Kernel) -> Identity:
        """Return this identity as that of a kernel."""
        return replace(
            self,
            kind="kernel",
            kernel=kernel.id,
            name=self._name_in(kernel.notebook),
            notebook=kernel.notebook,
            path=kernel.path or kernel.notebook,
            public=kernel.public,
        )

    def is_beside(self, other: Identity) -> bool:
        """Tell whether both are connections of one running kernel, made by different clients."""
        one_process = self.kernel is not None and self.process is not None
        return (
            one_process
            and (self.kernel, self.process) == (other.kernel, other.process)
            and (self.client is None or self.client != other.client)
        )

    def renamed(self, path: str, notebook: str) -> Identity:
        """Return this identity after its notebook was renamed, or a directory above it.

        Parameters
        ----------
        path, notebook : str
            The notebook's new real path, and how people see that.
        """
        return replace(self, name=self._name_in(notebook), path=path, notebook=notebook)

    def _name_in(self, notebook: str | None) -> str:
        """Return its name in a notebook: the notebook's stem, unless the client gave itself another."""
        user = displayable(self.principal)
        if self.name not in {user, self.principal, self.notebook and stem(self.notebook)}:
            return self.name
        return (notebook and stem(notebook)) or user or self.principal


def stem(notebook: str) -> str:
    """Return the name of a notebook's file without its suffix, as people are shown it."""
    return displayable(PurePosixPath(notebook).stem)


def principal_of(user: Any) -> str:
    """Return the principal that the HTTP handshake or a middleware established."""
    if user is None:
        return ANONYMOUS
    return user if isinstance(user, str) else str(user.username)


def credential_of(user: Any) -> str:
    """Return the key of the rights of what the HTTP handshake or a middleware established: by default the principal."""
    return str(getattr(user, "rights_key", "")) or principal_of(user)


def identify(socket: Peer, limits: Limits) -> Identity:
    """Return who is speaking on a socket.

    Raises
    ------
    ConnectionRefused
        If ``client``, ``name`` or ``kind`` in CONNECT's ``auth`` are no strings, too long, or nothing to be shown.
    """
    auth = socket.auth
    client = _text(auth, "client", limits.identifier) or None
    given, kind = _name(auth, limits.name), _kind(auth)
    principal = principal_of(socket.user)
    browser = bool(socket.handshake.headers.get("Origin"))
    person = displayable(getattr(socket.user, "display_name", None) or "") if browser else ""
    return Identity(
        principal=principal,
        kind="browser" if browser else kind,
        name=person or given or displayable(principal) or principal,
        member=_member(principal, client, socket.id),
        client=client,
        credential=credential_of(socket.user),
    )


def _name(auth: dict[str, Any], longest: int) -> str:
    name = _text(auth, "name", longest)
    if wrong := fault(name, longest):
        raise _bad(f"`name` {wrong}")
    return name.strip()


def _kind(auth: dict[str, Any]) -> str:
    kind = _text(auth, "kind", max(map(len, KINDS))) or KINDS[0]
    if kind not in KINDS:
        raise _bad(f"`kind` is {kind!r}, and may be one of {', '.join(KINDS)}")
    return kind


def _member(principal: str, client: str | None, socket_id: str) -> str:
    key = f"client\0{principal}\0{client}" if client else f"socket\0{socket_id}"
    return blake2b(key.encode(), digest_size=8).hexdigest()


def _text(auth: dict[str, Any], key: str, longest: int) -> str:
    value = auth.get(key)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > longest:
        raise _bad(f"`{key}` must be a string of at most {longest} characters")
    return value


def _bad(what: str) -> ConnectionRefused:
    return ConnectionRefused(what, {"code": "bad_request"})
