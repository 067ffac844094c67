"""What a browser would be sent by a view, and what it would say."""

from __future__ import annotations

from itertools import count
from typing import Any

_ids = map(str, count())


class Browser:
    """The other end of a view: it hears messages and sends them, as the browser's half does.

    Parameters
    ----------
    view : AnyWidget
    """

    def __init__(self, view: Any) -> None:
        self.messages: list[dict[str, Any]] = []
        self._view = view
        view.send = lambda content, buffers=None: self.messages.append(content)

    @property
    def stretches(self) -> list[dict[str, Any]]:
        return [message for message in list(self.messages) if message["kind"] == "events"]

    @property
    def shown(self) -> list[str]:
        """The names of the events in the order they were sent."""
        return [event["name"] for stretch in self.stretches for event in stretch["events"]]

    def say(self, **message: Any) -> None:
        self._view._handle_custom_msg(message, [])

    def request(self, kind: str, **fields: Any) -> str:
        """Press a button; return the id to know the answer by."""
        id = next(_ids)
        self.say(kind=kind, id=id, **fields)
        return id

    def emit(self, event: str, data: str = "") -> str:
        """Press the button; return the id to know the answer by."""
        return self.request("emit", event=event, data=data)

    def outcome(self, id: str) -> dict[str, Any] | None:
        return next((m for m in list(self.messages) if m["kind"] == "outcome" and m["id"] == id), None)
