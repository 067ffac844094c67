"""The room of a widget: one that is joined, or one to join by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyter_rtmsg.rooms.connect import connect

if TYPE_CHECKING:
    from jupyter_rtmsg.rooms.room import Room
    from jupyter_rtmsg.rooms.sync import Client


def joined(room: Room | str, client: Client | None) -> Room:
    """Return a room, which is joined first if it is given by its name.

    Parameters
    ----------
    room : Room or str
    client : Client, optional
        Joins the room; the client of `connect` by default.
    """
    return (client or connect()).join(room) if isinstance(room, str) else room


def offline(room: Room) -> str:
    """Return why a room cannot be asked now, in words; empty if it can."""
    return "" if room.status == "connected" else status_text(room.status)


def status_text(state: str) -> str:
    """Return the state of a client in words, with what it means for what is shown; empty if it is connected."""
    words = {
        "connected": "",
        "connecting": "Connecting to the hub. What is shown is what was known before.",
        "offline": "Offline: the kernel tries to reach the hub again. What is shown is what was known before.",
        "closed": "The room was left, or its client closed. What is shown is what was known before: join it again.",
    }
    return words.get(state, state)
