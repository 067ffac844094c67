"""The commands of docs/wire.md by name. A command reads its request, calls the hub and returns the reply."""

from __future__ import annotations

from .ack import ack
from .command import Command
from .dead_letters import dead_letters, discard, redrive
from .delete import delete
from .groups import delete_group, groups, pause_group, resume_group
from .hello import hello, prove
from .history import history
from .join import join
from .lag import lag
from .leave import leave
from .parts import fetch, stage, unstage
from .policy import policy
from .presence import presence
from .publish import publish
from .rooms import rooms
from .seek import seek
from .settle import done, reject, retry, working
from .state import state
from .subscriptions import subscriptions, unsubscribe
from .work import unwork, work

COMMANDS: dict[str, Command] = {
    "ack": ack,
    "delete": delete,
    "fetch": fetch,
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
    "stage": stage,
    "state": state,
    "subscriptions": subscriptions,
    "unstage": unstage,
    "unsubscribe": unsubscribe,
    "work": work,
    "unwork": unwork,
    "done": done,
    "retry": retry,
    "reject": reject,
    "working": working,
    "groups": groups,
    "pause_group": pause_group,
    "resume_group": resume_group,
    "delete_group": delete_group,
    "dead_letters": dead_letters,
    "redrive": redrive,
    "discard": discard,
}

__all__ = ["COMMANDS", "Command"]
