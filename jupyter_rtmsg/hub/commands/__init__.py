"""The commands of docs/wire.md by name. A command reads its request, calls the hub and returns the reply."""

from __future__ import annotations

from .ack import ack
from .command import Command
from .delete import delete
from .hello import hello, prove
from .history import history
from .join import join
from .lag import lag
from .leave import leave
from .policy import policy
from .presence import presence
from .publish import publish
from .rooms import rooms
from .seek import seek
from .state import state
from .subscriptions import subscriptions, unsubscribe

COMMANDS: dict[str, Command] = {
    "ack": ack,
    "delete": delete,
    "hello": hello,
    "history": history,
    "join": join,
    "lag": lag,
    "leave": leave,
    "policy": policy,
    "presence": presence,
    "prove": prove,
    "publish": publish,
    "rooms": rooms,
    "seek": seek,
    "state": state,
    "subscriptions": subscriptions,
    "unsubscribe": unsubscribe,
}

__all__ = ["COMMANDS", "Command"]
