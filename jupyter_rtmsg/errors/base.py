"""The base of all errors, and the short form in which a notebook shows errors that the caller can correct."""

from __future__ import annotations

from types import TracebackType


class RtmsgError(Exception):
    """Base of all errors of this package."""


class OneLine(Exception):
    """Base of errors that IPython shows in one line: the message, and the line of the caller's code."""

    def _render_traceback_(self) -> list[str]:  # the name is IPython's
        return [f"{type(self).__name__}: {self}{_line(self.__traceback__)}"]


def _line(trace: TracebackType | None) -> str:
    """Return the innermost line of the traceback that is not in this package."""
    said = ""
    while trace:
        code = trace.tb_frame.f_code
        if not _is_inside(trace.tb_frame.f_globals.get("__name__", "")):
            within = "" if code.co_name.startswith("<") else f" of {code.co_name}()"
            said = f" (line {trace.tb_lineno}{within})"
        trace = trace.tb_next
    return said


def _is_inside(module: str) -> bool:
    return module.partition(".")[0] in ("jupyter_rtmsg", "IPython", "asyncio", "concurrent")
