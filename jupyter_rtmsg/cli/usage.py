"""The error of a command that was written wrong."""

from __future__ import annotations

from jupyter_rtmsg.errors import RtmsgError


class UsageError(RtmsgError):
    """The arguments are wrong; the text says how to write them. The exit status is 2."""
