"""The commands of docs/wire.md, by name. Each checks, calls and answers; an error is raised as its `CommandError`."""

from __future__ import annotations

from .ack import ack
from .command import Command
from .history import history
from .join import join
from .lag import lag
from .leave import leave
from .presence import presence
from .prove import prove
from .publish import publish
from .rooms import rooms

COMMANDS: dict[str, Command] = {
    "ack": ack,
    "history": history,
    "join": join,
    "lag": lag,
    "leave": leave,
    "presence": presence,
    "prove": prove,
    "publish": publish,
    "rooms": rooms,
}

__all__ = ["COMMANDS", "Command"]
