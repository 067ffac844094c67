"""The hub: rooms with a memory, on a Socket.IO server and an event log (docs/wire.md)."""

from .application import Access, Activity, Permits, anybody, nobody
from .hub import Hub
from .identity import Claim, Identity, ProvenKernel
from .limits import Limits
from .room import Participant

__all__ = [
    "Access",
    "Activity",
    "Claim",
    "Hub",
    "Identity",
    "Limits",
    "Participant",
    "Permits",
    "ProvenKernel",
    "anybody",
    "nobody",
]
