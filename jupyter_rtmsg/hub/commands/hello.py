"""``hello``: what a client says of itself, and learns of itself and of the hub, before anything else."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from jupyter_rtmsg.errors import BadProof
from jupyter_rtmsg.hub.identity import Claim
from jupyter_rtmsg.hub.reply import Reply
from jupyter_rtmsg.hub.request import Request, optional_text, text

if TYPE_CHECKING:
    from jupyter_rtmsg.hub.connection import Connection
    from jupyter_rtmsg.hub.hub import Hub

LONGEST_ADDRESS = 2048


async def hello(hub: Hub, connection: Connection, request: Request) -> Reply:
    """Tell who the client is and what hub this is; a proof that fails leaves a script, and the reply says so."""
    _remember_process(hub, connection, request)
    refused = None
    if request.get("kernel") is not None:
        try:
            await prove_kernel(hub, connection, request)
        except BadProof as error:
            refused = error.message
    return _reply(hub, connection, refused) | _beside(hub, connection, request)


async def prove(hub: Hub, connection: Connection, request: Request) -> Reply:
    """Do the same for a client of 0.1.0, which needs no more than the proof: one that fails is an error."""
    await prove_kernel(hub, connection, request)
    return {"notebook": None, **_reply(hub, connection, None)}


async def prove_kernel(hub: Hub, connection: Connection, request: Request) -> None:
    """Take a connection for that of a kernel, once it has shown that it knows the kernel's key.

    Raises
    ------
    BadProof
    """
    claim = Claim(
        kernel=text(request, "kernel"),
        proof=text(request, "proof"),
        address=optional_text(request, "address", longest=LONGEST_ADDRESS),
        socket_id=connection.socket.id,
        principal=connection.identity.principal,
    )
    kernel = await hub.prove(claim) if hub.prove else None
    if kernel is None:
        raise BadProof(f"no kernel {claim.kernel!r:.80} of this server, or the proof is wrong")
    hub.describe(connection, connection.identity.proved(kernel))


def _remember_process(hub: Hub, connection: Connection, request: Request) -> None:
    process = optional_text(request, "process", longest=hub.limits.identifier)
    if process is not None:
        connection.identity = replace(connection.identity, process=process)


def _beside(hub: Hub, connection: Connection, request: Request) -> Reply:
    """Tell whether another client of the same user is connected here, too: then two addresses lead to this hub.

    Anybody may claim this hub's id, but a connection that ends elsewhere is not in the list here.
    """
    client = optional_text(request, "beside", longest=hub.limits.identifier)
    principal = connection.identity.principal
    return {} if client is None else {"beside": hub.connections.has_client(principal, client)}


def _reply(hub: Hub, connection: Connection, refused: str | None) -> Reply:
    identity, log = connection.identity, hub.log
    reply: Reply = {
        "ok": True,
        "hub": log.id,
        "opening": log.opening,
        "base": hub.base,
        "version": hub.version,
        "durable": log.durable,
        "user": identity.principal,
        "kind": identity.kind,
        "name": identity.name,
        "member": identity.member,
    }
    optional = {"notebook": identity.notebook, "warning": log.warning, "refused": refused}
    return reply | {name: value for name, value in optional.items() if value is not None}
