"""The magic ``%rtmsg``: rooms and events in a line, without a variable.

``%load_ext jupyter_rtmsg`` defines it, and so does the first use of ``rt.connect`` in IPython.
"""

from __future__ import annotations

from .load import load, unload

__all__ = ["load", "unload"]
