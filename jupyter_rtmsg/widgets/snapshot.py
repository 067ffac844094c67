"""A static picture of a widget: what a saved notebook shows without a kernel, and nbconvert in HTML."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from html import escape
from typing import Any, Protocol

from jupyter_rtmsg.names import escaped

EVERY = 15.0
"""Seconds between two pictures at least."""
FIRST = 1.0
"""Seconds until the first one is replaced: what was before is read after the cell has shown the widget."""
_WIDTH = 200  # characters of a cell
_LEFT = 'style="text-align: left" dir="auto"'


class Handle(Protocol):
    """An output that can be replaced: IPython's `DisplayHandle`."""

    def update(self, obj: Any, **options: Any) -> None:
        """Show something else in the same place."""


class Picture:
    """HTML that needs no script, as an output of its own beside the widget. Pages that show the widget hide it."""

    def __init__(self, html: str) -> None:
        self._html = html

    def __repr__(self) -> str:
        return ""

    def _repr_html_(self) -> str:
        return self._html


class Snapshot:
    """Keeps the static picture of one widget up to date.

    JupyterLab stores the outputs that its page has, so a picture that is replaced from time to time is in the notebook
    when it is saved. A widget's own output cannot have it: there JupyterLab says "model not found".

    Parameters
    ----------
    draw : callable
        Returns the present picture as HTML.
    """

    # `shown` sets `_handle` on the main thread; all else runs on the widget's thread.

    def __init__(self, draw: Callable[[], str]) -> None:
        self._draw = draw
        self._handle: Handle | None = None
        self._changed = False
        self._drawn = 0.0

    def picture(self) -> Picture:
        """Return the present picture."""
        return Picture(self._draw())

    def shown(self, handle: Handle | None) -> None:
        """Keep this output up to date from now on."""
        self._handle = handle
        self._drawn = time.monotonic() - EVERY + FIRST

    def change(self) -> None:
        """Remember that the picture is old."""
        self._changed = True

    def refresh(self, *, now: bool = False) -> float | None:
        """Replace the picture if that is due; return the seconds until it will be, None if it is up to date."""
        if self._handle is None or not self._changed:
            return None
        left = self._drawn + EVERY - time.monotonic()
        if left > 0 and not now:
            return left
        self._changed, self._drawn = False, time.monotonic()
        self._handle.update(self.picture())
        return None


def page(heading: str, facts: Iterable[str], columns: Sequence[str] = (), rows: Iterable[Sequence[str]] = ()) -> str:
    """Return a picture: a heading, lines of text, and a table. All text is escaped, and bidi is isolated."""
    lines = [f"<b>{_bdi(heading)}</b>, {escape(f'{datetime.now().astimezone():%Y-%m-%d %H:%M:%S %Z}')}"]
    lines += [_bdi(fact) for fact in facts if fact]
    text = "".join(f"<div>{line}</div>" for line in lines)
    body = "".join(f"<tr>{''.join(f'<td {_LEFT}>{escape(_cut(cell))}</td>' for cell in row)}</tr>" for row in rows)
    if not body:
        return f'<div class="jp-RtmsgSnapshot">{text}</div>'
    head = "".join(f"<th {_LEFT}>{escape(column)}</th>" for column in columns)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="jp-RtmsgSnapshot">{text}{table}</div>'


def _bdi(text: str) -> str:
    return f"<bdi>{escape(_cut(text, 1_000))}</bdi>"


def _cut(text: str, longest: int = _WIDTH) -> str:
    text = escaped(text)
    return text if len(text) <= longest else text[: longest - 1] + "…"


def clock(ms: int) -> str:
    """Return a time of the hub, in milliseconds since 1970, as the local time of day."""
    return f"{datetime.fromtimestamp(ms / 1000).astimezone():%H:%M:%S}"
