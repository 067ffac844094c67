"""The views of rooms in notebooks: made here, and imported when they are first wanted.

Widgets are above rooms and need ipywidgets, so this is the one place that reaches up to them.
"""

from __future__ import annotations

import importlib
from typing import Any, Protocol

from jupyter_rtmsg.errors import WrongCall


class View(Protocol):
    """A widget of a room: a cell whose last line it is shows it."""

    def close(self) -> None:
        """Remove it from all pages, and watch the room no more."""


def view(self: Any, *, last: int = 50) -> View:
    """Return a widget that shows the room: members, events as they happen, and a form to emit.

    Parameters
    ----------
    last : int
        The number of earlier events that are shown, 200 at most.
    """
    made: View = widgets("view").RoomView(self, last=last)
    return made


def emit_form(self: Any, *, event: str = "message") -> View:
    """Return a widget with a form that emits events to the room.

    Parameters
    ----------
    event : str
        The name that the form begins with.
    """
    made: View = widgets("emit_form").EmitForm(self, event=event)
    return made


def missed_view(self: Any) -> View:
    """Return a widget that shows the events that were missed before this join: replay, keep or skip them."""
    made: View = widgets("missed_view").MissedView(self)
    return made


def queue_view(self: Any) -> View:
    """Return a widget that shows the worker groups of the room, and their dead letters."""
    made: View = widgets("queue_view").QueueView(self)
    return made


def widgets(call: str) -> Any:
    """Return the module of the widgets, for the function that is called."""
    try:
        return importlib.import_module("jupyter_rtmsg.widgets")
    except ImportError as error:
        raise WrongCall(
            f"{call}() shows a widget, and needs {error.name or 'anywidget'}, which this kernel does not have. "
            "Write %pip install anywidget in a cell, and restart the kernel"
        ) from None
