"""Opening a log by its URL."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from jupyter_rtmsg.redaction import redacted

from .eventlog import EventLog
from .file import CannotServeError, LogFile, open_file
from .memory import MemoryLog
from .moving import MovingLog
from .options import Options
from .reader import Reader
from .reader_pool import ReaderPool
from .schema import connect_reader
from .sqlite import SQLiteLog
from .threads import run_on_thread

_SQLITE = "sqlite:///"
_KNOWN = "'sqlite:////absolute/path', 'sqlite:///relative/path' or 'memory:'"

logger = logging.getLogger(__name__)


async def open_log(url: str, *, clock: Callable[[], float] = time.time, **options: Any) -> EventLog:
    """Open a log; create it if it does not exist.

    If the file cannot be opened, the log is in memory until it can, with ``warning`` set: see `MovingLog`.

    Parameters
    ----------
    url : str
        ``sqlite:////absolute/path``, ``sqlite:///relative/path`` (as in SQLAlchemy), or ``memory:``.
    clock : callable, optional
        Returns seconds since 1970.
    **options
        The fields of `Options`.

    Returns
    -------
    EventLog
        For the running event loop.

    Raises
    ------
    ValueError
        If the URL's scheme is unknown, or an option is out of range.
    TypeError
        If an option is unknown.
    """
    settings = Options(clock=clock, **options)
    if url == "memory:":
        return MemoryLog(settings)
    if not url.startswith(_SQLITE) or url == _SQLITE:
        raise ValueError(f"{redacted(url)!r} is not the URL of a log: use {_KNOWN}")
    path = Path(unquote(url[len(_SQLITE) :]))
    over = partial(_over, url, settings)
    try:
        return over(await run_on_thread(partial(open_file, path, settings), asyncio.get_running_loop()))
    except CannotServeError as error:
        moving = MovingLog(settings, str(error), partial(open_file, path, settings), over)
        logger.warning("%s", moving.warning)
        return moving


def _over(url: str, options: Options, file: LogFile) -> SQLiteLog:
    """Return the log for an open file."""
    readers = ReaderPool(lambda: Reader(lambda: connect_reader(str(file.path))), 2, str(file.path))
    return SQLiteLog(
        file.store, file.state, file.dedup, readers, id=file.id, url=url, epoch=file.epoch, durable=True,
        warning=file.warning, openings=file.openings, subscriptions=file.subscriptions, groups=file.groups,
        disk=file.disk,
        options=options, release=file.close, guard=file.guard,
    )  # fmt: skip
