"""The first command of every connection: who this is, and what hub that is (docs/wire.md, "Hello")."""

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

_log = logging.getLogger("jupyter_rtmsg")


@dataclass(frozen=True, slots=True)
class Hello:
    """What a hub says of itself and of this client.

    Attributes
    ----------
    hub : str or None
        The hub's id: two URLs with one id lead to one hub. None at a hub of version 0.1.0, which tells next to nothing.
    base : str or None
        The server's base URL path.
    version : str
    durable : bool
        Whether events outlive the server.
    warning : str or None
        What users should know about the log.
    user, kind, name, member : str
        Who the hub takes this client for.
    notebook : str or None
        The path of the notebook whose kernel this is, relative to the server's root.
    refused : str or None
        Why the hub does not take this for the kernel that it says it is.
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

    @classmethod
    def of(cls, reply: Mapping[str, Any]) -> Hello:
        """Make one from what the wire brought."""
        hub, base, warning, notebook, refused = (_text(reply, key) for key in _OPTIONAL)
        version, user, kind, name, member = (_text(reply, key) or "" for key in _ALWAYS)
        durable = reply.get("durable") is not False
        return cls(hub, base, version, durable, warning, user, kind, name, member, notebook, refused)

    def renamed(self, notebook: str) -> Hello:
        """Return the same after the notebook was renamed."""
        was = PurePosixPath(self.notebook or "").stem
        name = PurePosixPath(notebook).stem if self.name == was else self.name
        return replace(self, notebook=notebook, name=name)


_OPTIONAL = ("hub", "base", "warning", "notebook", "refused")
_ALWAYS = ("version", "user", "kind", "name", "member")


async def say_hello(commands: Commands, url: str, socket_id: str) -> Hello:
    """Say who this is, with the proof of the kernel that this process is.

    Parameters
    ----------
    commands : Commands
    url : str
        Of the server. It gets the proof if it is one of this user's own, as a `Discovery` would find it.
    socket_id : str
        Of this connection: the proof is good for it alone.
    """
    kernel = this_kernel()
    if kernel and not is_known(Address.parse(url)):
        kernel = None  # the proof is for servers of one's own: another one could try to use it there
    try:
        reply = await commands.ask("hello", {"process": process_id(), **_proof(kernel, url, socket_id)})
    except UnknownCommand:  # a hub of 0.1.0
        reply = await _prove(commands, kernel, socket_id) if kernel else {}
    hello = Hello.of(reply)
    if hello.refused:
        # a kernel of another server is like a script to this one
        _log.info("%s does not know this kernel: %s", url, hello.refused)
    return hello


async def is_beside(commands: Commands, client: str) -> bool:
    """Ask the hub whether another client of this user, named by its id, is connected to it, too."""
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
