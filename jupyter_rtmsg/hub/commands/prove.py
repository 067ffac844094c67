"""``prove``: which kernel a client runs in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyter_rtmsg.errors import BadProof
from jupyter_rtmsg.hub.reply import Reply
from jupyter_rtmsg.hub.request import Request, text

if TYPE_CHECKING:
    from jupyter_rtmsg.hub.connection import Connection
    from jupyter_rtmsg.hub.hub import Hub


async def prove(hub: Hub, connection: Connection, request: Request) -> Reply:
    """Take a connection for that of a kernel, once it has shown that it knows the kernel's key."""
    kernel_id, proof = text(request, "kernel"), text(request, "proof")
    kernel = await hub.prove(kernel_id, proof, connection.socket.id) if hub.prove else None
    if kernel is None:
        raise BadProof(f"no kernel {kernel_id!r:.80} of this server, or the proof is wrong")
    hub.describe(connection, connection.identity.proved(kernel))
    return {"ok": True, "notebook": kernel.notebook}
