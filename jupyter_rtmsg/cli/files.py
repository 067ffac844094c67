"""The commands that work on the file of a log: ``verify``, ``dump`` and ``restore``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import msgspec
from jupyter_core.paths import jupyter_data_dir

from jupyter_rtmsg.errors import LogError
from jupyter_rtmsg.log import dump, verify


def add_verify(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``verify``."""
    _add_log(parser)
    parser.add_argument("path", metavar="PATH_OR_URL", nargs="?", help="another file than the log of the server")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.set_defaults(run=_verify)


def add_dump(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``dump``."""
    _add_log(parser)
    parser.add_argument("file", metavar="FILE", help="the file to make; it must not exist")
    parser.set_defaults(run=_dump)


def add_restore(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``restore``."""
    _add_log(parser)
    parser.add_argument("file", metavar="FILE", help="a file that `dump` made")
    parser.set_defaults(run=_restore)


def _add_log(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--log",
        metavar="PATH_OR_URL",
        help="the log, as in c.RtmsgApp.log_url (default: rtmsg/log.sqlite3 in Jupyter's data directory)",
    )


def _log(arguments: argparse.Namespace) -> Path:
    given: str | None = arguments.log
    if given == "memory:":
        raise LogError("a log in memory has no file")
    return dump.path_of(given or Path(jupyter_data_dir()) / "rtmsg" / "log.sqlite3")


def _verify(arguments: argparse.Namespace) -> int:
    try:
        report = verify.verify(arguments.path or _log(arguments))
    except ValueError as error:
        print(f"jupyter rtmsg: {error}", file=sys.stderr)
        return 2
    print(msgspec.json.encode(report).decode() if arguments.json else "\n".join(verify.lines(report)))
    return 1 if report.damaged else 0


def _dump(arguments: argparse.Namespace) -> int:
    made = dump.dump(_log(arguments), arguments.file)
    print(f"{made}: {made.stat().st_size:,} bytes")
    return 0


def _restore(arguments: argparse.Namespace) -> int:
    log = _log(arguments)
    aside = dump.restore(arguments.file, log)
    print(f"{log} is restored" + (f"; the log that was there is {aside}" if aside else ""))
    return 0
