"""Views of rooms for notebooks.

Rooms make them: ``room.view()``, ``room.emit_form()``, ``room.missed_view()``, ``room.queue_view()``. All rooms are
shown by ``rt.dashboard()``. Nothing else of the package needs ipywidgets, so they are imported by themselves:

>>> from jupyter_rtmsg.widgets import RoomView
"""

from .dashboard import Dashboard
from .emitform import EmitForm
from .missedview import MissedView
from .queueview import QueueView
from .roomview import RoomView

__all__ = ["Dashboard", "EmitForm", "MissedView", "QueueView", "RoomView"]
