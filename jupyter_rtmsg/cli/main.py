"""``jupyter rtmsg COMMAND``: reads the arguments, runs the command, and tells errors in one line."""

from __future__ import annotations

import argparse
import os
import sqlite3
import sys
from collections.abc import Callable, Sequence

from jupyter_rtmsg.errors import RtmsgError

from . import files, rooms
from .usage import UsageError

FAILED, WRONG_USE, INTERRUPTED = 1, 2, 130
"""Exit statuses, beside 0."""

_COMMANDS: dict[str, tuple[Callable[[argparse.ArgumentParser], None], str, str]] = {
    "rooms": (rooms.add_rooms, "list the rooms", "jupyter rtmsg rooms"),
    "tail": (rooms.add_tail, "show the events of a room as they come", "jupyter rtmsg tail lab --event metric"),
    "emit": (rooms.add_emit, "emit an event", """jupyter rtmsg emit lab metric '{"loss": 0.12}'"""),
    "export": (rooms.add_export, "write the events of a room into a file", "jupyter rtmsg export lab lab.ndjson.gz"),
    "import": (rooms.add_import, "emit the events of a file", "jupyter rtmsg import lab.ndjson.gz lab2"),
    "verify": (files.add_verify, "read all of a log's file, and list what is damaged", "jupyter rtmsg verify"),
    "dump": (files.add_dump, "copy the whole log into a file, also while a server uses it",
             "jupyter rtmsg dump monday.sqlite3"),
    "restore": (files.add_restore, "put a dump in the place of the log, while no server uses it",
                "jupyter rtmsg restore monday.sqlite3"),
}  # fmt: skip
"""By name: what adds the arguments, what the command does, and an example."""

_EPILOG = """\
The Jupyter server is found as by rt.connect(): the one of this kernel, JupyterHub's, or the only running one. For
another one give --url, and the token in the environment: RTMSG_TOKEN. The exit status is 0, 1 if a command failed
(verify: if something is damaged), or 2 if it was written wrong (verify: if the file is no log).
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    arguments : sequence of str, optional
        By default those of the process.

    Returns
    -------
    int
        The exit status.
    """
    chosen = _parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = chosen.run
    try:
        status = run(chosen)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # the reader of the output, such as `head`, has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except (RtmsgError, OSError, ValueError, ImportError, sqlite3.Error) as error:
        print(f"jupyter rtmsg: {_one_line(error)}", file=sys.stderr)
        return WRONG_USE if isinstance(error, UsageError) else FAILED
    return status


def _one_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}"
    return "; ".join(line.strip() for line in str(error).splitlines() if line.strip()) or type(error).__name__


def _parser() -> argparse.ArgumentParser:
    examples = "".join(f"  {example}\n" for _, _, example in _COMMANDS.values())
    parser = argparse.ArgumentParser(
        prog="jupyter rtmsg",
        description="Rooms with a memory, from a terminal.",
        epilog=f"examples:\n{examples}\n{_EPILOG}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, (add, what, example) in _COMMANDS.items():
        command = commands.add_parser(
            name,
            help=what,
            description=f"{what[0].upper()}{what[1:]}.",
            epilog=f"example:\n  {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        add(command)
    return parser
