"""Notices for people: `notify` emits one, and `watch_run` tells how a run has ended.

Their events are documented (docs/client.md, "Notices"), so that the panel, or a handler of your own, can show them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from jupyter_rtmsg.errors import RtmsgError, WrongCall
from jupyter_rtmsg.logthrottle import throttled_logger

from .connect import found_or_latest
from .receipt import Receipt
from .room import Room

NOTICES = "notices"
"""The room of notices, unless another is given."""

NOTICE, DONE, FAILED = "notice", "done", "failed"
LEVELS = ("info", "success", "warning", "error")

_LONGEST = 10_000  # characters of a text or of an error's message

logger = throttled_logger(__name__)


def notify(text: str, level: str = "info", room: str | Room | None = None) -> Receipt:
    """Send a notice to the people in a room.

    It is an event ``notice`` with the data ``{"text", "level"}``. The call does not wait until it is stored.

    Parameters
    ----------
    text : str
        At most 10,000 characters are sent.
    level : str
        ``"info"``, ``"success"``, ``"warning"`` or ``"error"``.
    room : str or Room, optional
        By default the room ``notices``. It need not be joined.

    Returns
    -------
    Receipt

    Raises
    ------
    ServerNotFound, ServerUnreachable, AccessDenied
        As `connect` does. If no server is found, a client that this process has is used.

    Examples
    --------
    >>> rt.notify("the data are ready", "success")
    """
    if level not in LEVELS:
        raise WrongCall(f"level={level!r:.40} must be one of {', '.join(LEVELS)}. Write rt.notify('ready', 'success')")
    return _emit(room, NOTICE, {"text": str(text)[:_LONGEST], "level": level})


@contextmanager
def watch_run(name: str, room: str | Room | None = None) -> Iterator[None]:
    """Tell the people in a room how a block of code has ended, and after what time.

    It emits ``done`` with the data ``{"run", "seconds"}``, or ``failed`` with an ``"error": {"type", "message"}`` as
    well. An exception goes on. The hub is connected at the beginning, so that a wrong address shows before the work.

    Parameters
    ----------
    name : str
        What runs.
    room : str or Room, optional
        By default the room ``notices``.

    Examples
    --------
    >>> with rt.watch_run("train"):
    ...     train()
    """
    if room is None or isinstance(room, str):
        found_or_latest()
    began = time.monotonic()
    try:
        yield
    except BaseException as error:
        tell_end(room, name, began, error)
        raise
    tell_end(room, name, began, None)


def tell_end(room: str | Room | None, name: str, began: float, error: BaseException | None) -> None:
    """Tell how a run has ended: ``done``, or ``failed`` with its error.

    Parameters
    ----------
    room : str or Room or None
    name : str
    began : float
        When it began, by `time.monotonic`.
    error : BaseException or None
    """
    run: dict[str, Any] = {"run": str(name)[:_LONGEST], "seconds": round(time.monotonic() - began, 3)}
    if error is None:
        _tell(room, DONE, run)
    else:
        told = {"type": type(error).__name__, "message": str(error)[:_LONGEST]}
        _tell(room, FAILED, {**run, "error": told})


def _tell(room: str | Room | None, event: str, data: dict[str, Any]) -> None:
    """Emit an event; an error is logged, since it must not take the place of the outcome of the run."""
    try:
        _emit(room, event, data)
    except (RtmsgError, RuntimeError) as error:
        logger.warning("%r of the run %r could not be told: %s", event, data["run"], error)


def _emit(room: str | Room | None, event: str, data: dict[str, Any]) -> Receipt:
    if room is not None and not isinstance(room, str):
        return room.emit(event, data, wait=False)
    return found_or_latest().post(room or NOTICES, event, data)
