"""``python -m jupyter_rtmsg.log verify PATH_OR_URL``: check a log file for damage, also while a server uses it."""

from __future__ import annotations

import argparse
import sys

import msgspec

from .verify import lines, verify


def main(arguments: list[str] | None = None) -> int:
    """Run a command.

    Returns
    -------
    int
        The exit status: 0, 1 where something is damaged, or 2 where the file cannot be read as a log.
    """
    parser = argparse.ArgumentParser(prog="python -m jupyter_rtmsg.log", description="Tools for the files of logs.")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("verify", help="read all of a log file, and list what is damaged; nothing is written")
    command.add_argument("path", metavar="PATH_OR_URL", help="the file, or sqlite:/// and its path")
    command.add_argument("--json", action="store_true", help="print the report as JSON")
    chosen = parser.parse_args(arguments)
    try:
        report = verify(chosen.path)
    except ValueError as error:
        print(error, file=sys.stderr)  # noqa: T201 -- a command's output
        return 2
    print(msgspec.json.encode(report).decode() if chosen.json else "\n".join(lines(report)))  # noqa: T201
    return 1 if report.damaged else 0


if __name__ == "__main__":
    sys.exit(main())
