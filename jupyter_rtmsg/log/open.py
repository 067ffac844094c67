"""Opening a log by its URL."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from .eventlog import EventLog
from .file import CannotServeError, LogFile, open_file
from .memory import MemoryLog
from .options import Options
from .reader import Reader
from .readers import Readers
from .schema import connect_reader
from .sqlite import SQLiteLog

_SQLITE = "sqlite:///"
_KNOWN = "'sqlite:////absolute/path', 'sqlite:///relative/path' and 'memory:'"

log = logging.getLogger(__name__)


async def open_log(url: str, *, clock: Callable[[], float] = time.time, **options: Any) -> EventLog:
    """Open a log, or make it.

    A log that cannot be kept where it should be is kept in memory, with ``warning`` set: a server without a memory
    is better than none.

    Parameters
    ----------
    url : str
        ``sqlite:////absolute/path``, ``sqlite:///relative/path`` (as in SQLAlchemy), or ``memory:``.
    clock : callable, optional
        Seconds since 1970.
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
        raise ValueError(f"{url!r} is no log: known are {_KNOWN}")
    try:
        file = await asyncio.to_thread(open_file, Path(unquote(url[len(_SQLITE) :])), settings)
    except CannotServeError as error:
        warning = f"{error}. Until then events are kept in memory only: they end with this server."
        log.warning(warning)
        return MemoryLog(settings, warning)
    return _over(file, url, settings)


def _over(file: LogFile, url: str, options: Options) -> SQLiteLog:
    readers = Readers(lambda: Reader(lambda: connect_reader(str(file.path))), 2, str(file.path))
    return SQLiteLog(
        file.store, file.ledger, file.dedup, readers, id=file.id, url=url, epoch=file.epoch, durable=True,
        warning=file.warning, disk=file.disk, options=options, release=file.close,
    )  # fmt: skip
