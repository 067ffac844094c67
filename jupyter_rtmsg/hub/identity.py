"""Who is connected: the identity of a participant, and how a kernel proves its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from jupyter_rtmsg.errors import ConnectionRefused
from jupyter_rtmsg.names import displayable, fault
from jupyter_rtmsg.server import Socket
from jupyter_rtmsg.wire.data import encode_json

from .limits import Limits
from .names import SubscriptionName

ANONYMOUS = "anonymous"
KINDS = ("script", "agent")
"""The kinds that a client may give in CONNECT's ``auth``. The server finds out browsers and kernels itself."""
MAX_NOTEBOOK = 1024
"""The longest path of a notebook, in bytes of JSON, that is sent with events: the size of their envelope is bounded."""


class Claim(NamedTuple):
    """The claim of a client to run in a kernel (docs/wire.md, "Proof of a kernel").

    Attributes
    ----------
    kernel : str
        The kernel's id, as in the name of its connection file.
    proof : str
        The HMAC by the key in that file.
    socket_id : str
        The id of the Socket.IO connection, which the proof covers.
    principal : str
        The principal that has connected.
    address : str or None
        The server's base URL, as the client reached it. The proof covers it. None in a proof of version 0.1.0.
    """

    kernel: str
    proof: str
    socket_id: str
    principal: str
    address: str | None = None


@dataclass(frozen=True, slots=True)
class ProvenKernel:
    """A kernel that has proved its identity.

    Attributes
    ----------
    id : str
    notebook : str or None
        The path of the notebook that it runs, relative to the server's root.
    path : str or None
        The real path of that notebook, which stays the same under another root; by default ``notebook``.
    public : bool
        Whether everybody may see the path.
    """

    id: str
    notebook: str | None = None
    path: str | None = None
    public: bool = False


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is connected. The server establishes it; principal, credential and kernel are never a client's own words.

    Attributes
    ----------
    principal : str
        The authenticated user: the key of subscriptions and limits.
    kind : str
        ``"browser"``, ``"kernel"``, ``"script"`` or ``"agent"``.
    name : str
        The name to show: a person's display name, the stem of a kernel's notebook, the name that a client gave itself,
        or else the principal.
    member : str
        The id in presence: the same for all connections of a client that gave its id, else one for each connection.
    notebook : str or None
        The path of a kernel's notebook, relative to the server's root.
    public : bool
        Whether everybody may see the notebook's path.
    client : str or None
        The UUID that a client keeps across reconnects.
    path : str or None
        The real path of the notebook.
    kernel : str or None
        The id of the kernel that the client runs in, once it is proved.
    process : str or None
        A random id of the client's process: it changes when a kernel is restarted.
    credential : str
        The key of its rights. Two connections of a principal may have shown credentials with different rights.
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
        """The default name of its subscriptions; None without a notebook: such a kernel never comes back."""
        if self.path is None or self.notebook is None:
            return None
        return SubscriptionName.of_notebook(self.path, self.notebook)

    @property
    def sender(self) -> bytes:
        """The ``from`` object of its events, as JSON."""
        sender = {"user": self.principal, "kind": self.kind, "name": self.name, "member": self.member}
        if self.notebook and self.public and len(encode_json(self.notebook)) <= MAX_NOTEBOOK:
            sender["notebook"] = self.notebook
        return encode_json(sender)

    def proved(self, kernel: ProvenKernel) -> Identity:
        """Return this identity, changed to that of a kernel."""
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
        """Tell whether both are connections of one kernel process, made by different clients."""
        one_process = self.kernel is not None and self.process is not None
        return (
            one_process
            and (self.kernel, self.process) == (other.kernel, other.process)
            and (self.client is None or self.client != other.client)
        )

    def renamed(self, path: str, notebook: str) -> Identity:
        """Return this identity after its notebook, or a directory above it, was renamed.

        Parameters
        ----------
        path : str
            The notebook's new real path.
        notebook : str
            The new path relative to the server's root.
        """
        return replace(self, name=self._name_in(notebook), path=path, notebook=notebook)

    def _name_in(self, notebook: str | None) -> str:
        """Return its name in a notebook: the notebook's stem, unless the client gave itself another name."""
        user = displayable(self.principal)
        if self.name not in {user, self.principal, self.notebook and stem(self.notebook)}:
            return self.name
        return (notebook and stem(notebook)) or user or self.principal


def stem(notebook: str) -> str:
    """Return the name of a notebook's file without its suffix, safe to display."""
    return displayable(PurePosixPath(notebook).stem)


def principal_of(user: Any) -> str:
    """Return the principal of the user that the HTTP handshake or a middleware established."""
    if user is None:
        return ANONYMOUS
    return user if isinstance(user, str) else str(user.username)


def credential_of(user: Any) -> str:
    """Return the key of a user's rights: its ``rights_key``, or else its principal."""
    return str(getattr(user, "rights_key", "")) or principal_of(user)


def identify(socket: Socket, limits: Limits) -> Identity:
    """Return the identity of a client that connects.

    Raises
    ------
    ConnectionRefused
        If ``client``, ``name`` or ``kind`` in CONNECT's ``auth`` is not a string, is too long, or cannot be displayed.
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
        raise _bad(f"`kind` must be one of {', '.join(KINDS)}, not {kind!r}")
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


def _bad(message: str) -> ConnectionRefused:
    return ConnectionRefused(message, {"code": "bad_request"})
