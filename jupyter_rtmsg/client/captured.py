"""Captured output: the output of handlers is shown in a widget or a display, for ``on(..., output=...)``."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextvars import Context
from itertools import groupby
from typing import Any, Protocol, TypeAlias
from weakref import WeakKeyDictionary, ref

from jupyter_rtmsg.output import Sink

MAX_OUTPUTS = 100
MAX_CHARACTERS = 100_000
_MAX_CHANGES = 1_000  # outputs that wait; beyond that they are merged
_DELAY = 0.01  # seconds before the first update, so that the two writes of one print are shown together
_PAUSE = 0.05  # seconds between two updates, at least
_CHARACTERS_PER_SECOND = 400_000  # in updates; jupyter_server drops output beyond 1 MB/s

Output: TypeAlias = "dict[str, Any]"  # an output of nbformat

logger = logging.getLogger(__name__)


class Target(Protocol):
    """Shows outputs."""

    def outputs(self) -> Sequence[Output]:
        """Return the outputs that are shown now."""

    def show(self, outputs: Sequence[Output]) -> None:
        """Show these outputs instead."""


class WidgetTarget:
    """An ``ipywidgets.Output``. Its state contains the outputs, so they are still shown after a reload of the page."""

    def __init__(self, widget: Any) -> None:
        self._widget = ref(widget)

    def outputs(self) -> Sequence[Output]:
        """Return the outputs of the widget."""
        widget = self._widget()
        return () if widget is None else widget.outputs

    def show(self, outputs: Sequence[Output]) -> None:
        """Set the outputs of the widget."""
        widget = self._widget()
        if widget is not None:
            widget.outputs = tuple(outputs)


class DisplayTarget:
    """An IPython ``DisplayHandle``. It shows one output: the newest display, or the text that was printed after it."""

    def __init__(self, handle: Any) -> None:
        self._handle = ref(handle)
        self._outputs: Sequence[Output] = ()

    def outputs(self) -> Sequence[Output]:
        """Return the captured outputs."""
        return self._outputs

    def show(self, outputs: Sequence[Output]) -> None:
        """Show the newest of these outputs."""
        at = len(outputs)
        while at and outputs[at - 1]["output_type"] == "stream":
            at -= 1
        texts, self._outputs = outputs[at:], outputs[max(0, at - 1) :]
        handle = self._handle()
        if handle is None:
            return
        if texts or not outputs:
            handle.update({"text/plain": "".join(one["text"] for one in texts)}, raw=True)
        else:
            handle.update(outputs[-1]["data"], metadata=outputs[-1]["metadata"], raw=True)


class Captured:
    """The newest output of handlers: at most 100 outputs and 100,000 characters. Thread-safe.

    New outputs are collected, and shown a moment later by ``_timer``'s thread: at most 20 times a second, and less
    often the more there is to show. The outputs that are shown are first read from the target, since the user may have
    cleared it. ``_lock`` guards the new outputs, ``_showing`` the target.

    Parameters
    ----------
    target : Target
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self._lock = threading.Lock()
        self._showing = threading.Lock()
        self._new: list[Output] = []
        self._new_size = 0
        self._clear = False  # clear the target before the new outputs are shown
        self._clear_next = False  # ... when the next output comes
        self._due = 0.0
        self._timer: threading.Timer | None = None

    def write(self, stream: str, text: str) -> None:
        """Take text that was written to ``"stdout"`` or ``"stderr"``."""
        if text:
            self._add({"output_type": "stream", "name": stream, "text": text})

    def publish(self, kind: str, content: Mapping[str, Any]) -> bool:
        """Take a display, an update of one that is shown here, or a request to clear the output.

        Returns
        -------
        bool
            False for an update of a display that is shown elsewhere.
        """
        if kind == "clear_output":
            self._cleared(wait=bool(content.get("wait")))
            return True
        output = {"output_type": "display_data", "data": content["data"], "metadata": dict(content["metadata"])}
        id = (content.get("transient") or {}).get("display_id")
        if id:
            output["metadata"]["display_id"] = id  # an output in a widget has no transient part
        if kind == "update_display_data" and not self._shows(id):
            return False
        self._add(output)
        return True

    def _shows(self, id: object) -> bool:
        with self._lock:
            outputs = [*([] if self._clear else self._target.outputs()), *self._new]
        return any(_display_id(output) == id for output in outputs)

    def _add(self, output: Output) -> None:
        with self._lock:
            if self._clear_next:
                self._forget()
            self._new.append(output)
            self._new_size += _size(output)
            if len(self._new) > _MAX_CHANGES or self._new_size > 2 * MAX_CHARACTERS:
                self._new = _merged((), self._new)
                self._new_size = sum(map(_size, self._new))
            self._schedule()

    def _cleared(self, *, wait: bool) -> None:
        with self._lock:
            if wait:
                self._clear_next = True
            else:
                self._forget()
                self._schedule()

    def _forget(self) -> None:
        self._clear, self._clear_next = True, False
        self._new, self._new_size = [], 0

    def _schedule(self) -> None:
        if self._timer is None:
            self._timer = threading.Timer(max(_DELAY, self._due - time.monotonic()), self.show)
            self._timer.daemon = True
            try:
                Context().run(self._timer.start)  # not in the handler's context, which captures output
            except RuntimeError:  # the interpreter exits: `show_all` will be called
                self._timer = None

    def show(self) -> None:
        """Show the new outputs now."""
        with self._showing:
            with self._lock:
                new, clear = self._new, self._clear
                self._new, self._new_size, self._clear = [], 0, False
            size = self._show(new, clear=clear) if new or clear else 0
            with self._lock:
                self._due = time.monotonic() + max(_PAUSE, size / _CHARACTERS_PER_SECOND)
                if self._timer:
                    self._timer.cancel()
                    self._timer = None
                if self._new or self._clear:
                    self._schedule()

    def _show(self, new: Sequence[Output], *, clear: bool) -> int:
        """Add outputs to the target, and return the number of characters that it shows."""
        try:
            outputs = _merged(() if clear else self._target.outputs(), new)
            Context().run(self._target.show, outputs)
            return sum(map(_size, outputs))
        except Exception:
            logger.warning("the output of handlers could not be shown in their output=", exc_info=True)
            return 0


_captured: WeakKeyDictionary[Any, Captured] = WeakKeyDictionary()


def sink_of(output: Any) -> Sink | None:
    """Return the sink for output that is shown in an ``ipywidgets.Output`` or a ``DisplayHandle``.

    Raises
    ------
    TypeError
        If ``output`` is neither.
    """
    if output is None:
        return None
    target = _target_of(output)
    known = _captured.get(output)
    if known is None:
        known = _captured[output] = Captured(target)
    return known


def _target_of(output: Any) -> Target:
    if not isinstance(output, type):
        if hasattr(output, "outputs") and hasattr(output, "append_display_data"):
            return WidgetTarget(output)
        if hasattr(output, "display_id") and hasattr(output, "update"):
            return DisplayTarget(output)
    raise TypeError(
        f"output must be an ipywidgets.Output(), or the DisplayHandle that display('', display_id=True) returns, "
        f"not {output!r:.80}"
    )


def show_all() -> None:
    """Show all new outputs now, since the process exits."""
    for captured in list(_captured.values()):
        captured.show()


# --- lists of outputs


def _merged(outputs: Iterable[Output], new: Iterable[Output]) -> list[Output]:
    """Return the newest of the old and the new outputs."""
    merged = list(outputs)
    for name, group in groupby(new, lambda output: output.get("name")):
        if name is not None:
            _append(merged, {"output_type": "stream", "name": name, "text": "".join(one["text"] for one in group)})
        else:
            for output in group:
                _append(merged, output)
    return _newest(merged)


def _append(outputs: list[Output], output: Output) -> None:
    """Add an output; it replaces the display of the same id, and text is appended to that of the same stream."""
    id = _display_id(output)
    same = [at for at, other in enumerate(outputs) if id is not None and _display_id(other) == id]
    last = outputs[-1] if outputs else None
    if same:
        outputs[same[0]] = output
    elif not _is_text(output):
        outputs.append(output)
    elif last and _is_text(last) and last["name"] == output["name"]:
        outputs[-1] = {**last, "text": _printed(last["text"] + output["text"])}
    else:
        outputs.append({**output, "text": _printed(output["text"])})


def _newest(outputs: Sequence[Output]) -> list[Output]:
    """Return the last outputs within the limits, but at least the last one."""
    kept: list[Output] = []
    left = MAX_CHARACTERS
    for output in reversed(outputs[-MAX_OUTPUTS:]):
        size = _size(output)
        if size > left and _is_text(output) and left > 0:
            kept.append({**output, "text": _tail(output["text"], left)})
        elif size <= left or not kept:
            kept.append(output)
        left -= size
        if left <= 0:
            break
    return kept[::-1]


def _printed(text: str) -> str:
    """Return the text as a terminal shows it: a carriage return restarts the line (progress bars use it)."""
    if "\r" not in text:
        return text
    return "\n".join(_last_version(line) for line in text.replace("\r\n", "\n").split("\n"))


def _last_version(line: str) -> str:
    """Return the part of a line after its last carriage return; one at its end is kept."""
    line, end = (line.rstrip("\r"), "\r") if line.endswith("\r") else (line, "")
    return line.rpartition("\r")[2] + end


def _tail(text: str, size: int) -> str:
    """Return the last ``size`` characters of a text, from the beginning of a line if there is one."""
    tail = text[-size:]
    return tail.partition("\n")[2] or tail


def _size(output: Output) -> int:
    if _is_text(output):
        return len(output["text"])
    parts = output.get("data", output).values()  # an error output, as JupyterLab puts into a widget, has no data
    return sum(len(part) if isinstance(part, str) else len(json.dumps(part, default=str)) for part in parts)


def _is_text(output: Output) -> bool:
    return bool(output.get("output_type") == "stream")


def _display_id(output: Output) -> object:
    return output.get("metadata", {}).get("display_id")
