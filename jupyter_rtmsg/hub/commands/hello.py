"""``hello``, the first command of a client: identifies the client to the hub, and the hub to the client."""

from __future__ import annotations

from dataclasses import replace

from jupyter_rtmsg.errors import BadProof
from jupyter_rtmsg.hub.core import HubCore
from jupyter_rtmsg.hub.identity import Claim
from jupyter_rtmsg.hub.request import Reply, Request, optional_text, text
from jupyter_rtmsg.hub.room import Participant

MAX_ADDRESS = 2048  # characters


async def hello(hub: HubCore, participant: Participant, request: Request) -> Reply:
    """Return who the client is and which hub this is. If a kernel's proof fails, the reply says so in ``refused``."""
    _remember_process(hub, participant, request)
    refused = None
    if request.get("kernel") is not None:
        try:
            await prove_kernel(hub, participant, request)
        except BadProof as error:
            refused = error.message
    return _reply(hub, participant, refused) | _is_beside(hub, participant, request)


async def prove(hub: HubCore, participant: Participant, request: Request) -> Reply:
    """Check a kernel's proof for a client of version 0.1.0. A proof that fails is an error."""
    await prove_kernel(hub, participant, request)
    return {"notebook": None, **_reply(hub, participant, None)}


async def prove_kernel(hub: HubCore, participant: Participant, request: Request) -> None:
    """Change the participant's identity to that of a kernel, if it proves that it knows the kernel's key.

    Raises
    ------
    BadProof
    """
    claim = Claim(
        kernel=text(request, "kernel"),
        proof=text(request, "proof"),
        address=optional_text(request, "address", longest=MAX_ADDRESS),
        socket_id=participant.socket.id,
        principal=participant.identity.principal,
    )
    kernel = await hub.prove(claim) if hub.prove else None
    if kernel is None:
        raise BadProof(f"no kernel {claim.kernel!r:.80} of this server, or the proof is wrong")
    hub.describe(participant, participant.identity.proved(kernel))


def _remember_process(hub: HubCore, participant: Participant, request: Request) -> None:
    process = optional_text(request, "process", longest=hub.limits.identifier)
    if process is not None:
        participant.describe(replace(participant.identity, process=process))


def _is_beside(hub: HubCore, participant: Participant, request: Request) -> Reply:
    """Tell whether another client of the same user, named by ``beside``, is connected to this hub as well.

    So a client finds out that two addresses lead to one hub. A hub's id alone does not prove that: any server can
    claim it, but it does not have the connections of this one.
    """
    client = optional_text(request, "beside", longest=hub.limits.identifier)
    principal = participant.identity.principal
    return {} if client is None else {"beside": hub.participants.has_client(principal, client)}


def _reply(hub: HubCore, participant: Participant, refused: str | None) -> Reply:
    identity, log = participant.identity, hub.log
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
        "max_event": hub.limits.event,
    }
    optional = {"notebook": identity.notebook, "warning": log.warning, "refused": refused}
    return reply | {name: value for name, value in optional.items() if value is not None}
