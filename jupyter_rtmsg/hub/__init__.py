"""The hub: rooms with a memory, on a Socket.IO server and an event log (docs/wire.md)."""

from .access import Access, Permits, anybody, nobody
from .activity import Activity
from .connection import Connection
from .hub import Hub
from .identity import Claim, Identity, Kernel
from .limits import Limits

__all__ = [
    "Access",
    "Activity",
    "Claim",
    "Connection",
    "Hub",
    "Identity",
    "Kernel",
    "Limits",
    "Permits",
    "anybody",
    "nobody",
]
