"""Views of a room for notebooks.

Nothing else of the package needs ipywidgets, so they are imported by themselves:

>>> from jupyter_rtmsg.widgets import RoomView
"""

from .roomview import RoomView

__all__ = ["RoomView"]
