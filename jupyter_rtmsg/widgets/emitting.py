"""What the forms of widgets emit."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .link import Message

if TYPE_CHECKING:
    from jupyter_rtmsg.rooms.room import Room


def emit_request(room: Room) -> Callable[[Message], Callable[[], str]]:
    """Return what handles the requests of a form: ``{"event", "data"}``, the data as JSON text.

    The event is queued at once. Offline it is stored later, and the outcome waits for that.
    """

    def emit(message: Message) -> Callable[[], str]:
        receipt = room.emit(message["event"], parse(message["data"]), wait=False)
        return lambda: f"Stored as number {receipt.result()}"

    return emit


def hub_id(room: Room) -> str:
    """Return the id of a room's hub, by which a page recognizes its own server; empty if it is unknown."""
    hello = room.client.hello
    return (hello.hub if hello else None) or ""


def parse(text: str) -> Any:
    """Return the data of the form's JSON; None if it is empty.

    Raises
    ------
    ValueError
        If the text is not JSON, or nested too deeply.
    """
    try:
        return json.loads(text) if text.strip() else None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"Not JSON: {error}") from None
