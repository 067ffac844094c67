"""Hello: the first command of every connection, by which client and hub identify themselves (docs/wire.md, "Hello")."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from jupyter_rtmsg.client.address import Address
from jupyter_rtmsg.client.processes import process_id
from jupyter_rtmsg.client.servers import is_known
from jupyter_rtmsg.errors import CommandError, UnknownCommand

from .commands import Commands
from .kernel import Kernel, this_kernel

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Hello:
    """A hub's description of itself and of this client.

    Attributes
    ----------
    hub : str or None
        The hub's id; two URLs with the same id lead to the same hub. None at a hub of version 0.1.0.
    base : str or None
        The server's base URL path.
    version : str
    durable : bool
        Whether events outlive the server.
    warning : str or None
        A problem of the log that users should know.
    user, kind, name, member : str
        The identity that the hub gave this client, see `Member`.
    notebook : str or None
        The path of the notebook whose kernel this is, relative to the server's root.
    refused : str or None
        Why the hub did not accept the proof of the kernel.
    max_event : int
        Bytes of the largest event in parts; 0 at a hub that takes none.
    """

    hub: str | None = None
    base: str | None = None
    version: str = ""
    durable: bool = True
    warning: str | None = None
    user: str = ""
    kind: str = ""
    name: str = ""
    member: str = ""
    notebook: str | None = None
    refused: str | None = None
    max_event: int = 0

    @classmethod
    def of(cls, reply: Mapping[str, Any]) -> Hello:
        """Make one from the reply."""
        hub, base, warning, notebook, refused = (_text(reply, key) for key in _OPTIONAL)
        version, user, kind, name, member = (_text(reply, key) or "" for key in _ALWAYS)
        durable = reply.get("durable") is not False
        largest = reply.get("max_event")
        hello = cls(hub, base, version, durable, warning, user, kind, name, member, notebook, refused)
        return replace(hello, max_event=largest if type(largest) is int else 0)

    def renamed(self, notebook: str) -> Hello:
        """Return a copy with the new path of the notebook."""
        was = PurePosixPath(self.notebook or "").stem
        name = PurePosixPath(notebook).stem if self.name == was else self.name
        return replace(self, notebook=notebook, name=name)


_OPTIONAL = ("hub", "base", "warning", "notebook", "refused")
_ALWAYS = ("version", "user", "kind", "name", "member")


async def say_hello(commands: Commands, url: str, socket_id: str) -> Hello:
    """Send hello, with the proof of this process's kernel, and return the reply.

    Parameters
    ----------
    commands : Commands
    url : str
        The server's. The proof is only sent to this user's own servers, those that `Discovery` would find.
    socket_id : str
        The id of this connection; the proof is valid for it alone.
    """
    kernel = this_kernel()
    if kernel and not is_known(Address.parse(url)):
        kernel = None  # another server could try to use the proof at this user's own server
    try:
        reply = await commands.ask("hello", {"process": process_id(), **_proof(kernel, url, socket_id)})
    except UnknownCommand:  # a hub of version 0.1.0
        reply = await _prove(commands, kernel, socket_id) if kernel else {}
    hello = Hello.of(reply)
    if hello.refused:
        # for this server, the kernel of another server is a script
        logger.info("%s does not know this kernel: %s", url, hello.refused)
    return hello


async def is_beside(commands: Commands, client: str) -> bool:
    """Ask the hub whether another client of this user, given by its id, is connected to it, too."""
    reply = await commands.ask("hello", {"beside": client})
    return reply.get("beside") is True


def _proof(kernel: Kernel | None, url: str, socket_id: str) -> dict[str, str]:
    return {"kernel": kernel.id, "proof": kernel.proof(url, socket_id), "address": url} if kernel else {}


async def _prove(commands: Commands, kernel: Kernel, socket_id: str) -> dict[str, Any]:
    try:
        return await commands.ask("prove", {"kernel": kernel.id, "proof": kernel.proof_1(socket_id)})
    except CommandError as error:
        return {"refused": error.message}


def _text(reply: Mapping[str, Any], key: str) -> str | None:
    value = reply.get(key)
    return value if isinstance(value, str) else None
