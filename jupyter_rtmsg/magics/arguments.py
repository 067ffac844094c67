"""The arguments of ``%rtmsg``."""

from __future__ import annotations

import argparse
import re
from typing import Any, NoReturn

from jupyter_rtmsg.errors import WrongCall

LINE, CELL = "line", "cell"


class Finished(Exception):
    """The line asked for help, which was printed."""


class Wrong(WrongCall):
    """A line of the magic was written wrong; the text says how to write it."""


class LineParser(argparse.ArgumentParser):
    """A parser whose errors are exceptions, since a cell must not end its kernel."""

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        """Raise `Finished`; argparse calls this after it has printed the help."""
        raise Finished

    def error(self, message: str) -> NoReturn:
        """Raise `Wrong`."""
        raise Wrong(f"{message}. {self.format_usage().strip()}")


_COMMANDS: dict[str, tuple[str, str, str]] = {
    "join": (LINE, "join a room, and make a variable of its name", "%rtmsg join lab"),
    "tail": (LINE, "show the events of a room below this cell as they come", "%rtmsg tail lab"),
    "stop": (LINE, "end the tail of a room", "%rtmsg stop lab"),
    "rooms": (LINE, "list the rooms", "%rtmsg rooms"),
    "emit": (LINE + CELL, "emit an event; above a cell: the value of the cell", '%rtmsg emit lab metric {"loss": 1}'),
    "capture": (CELL, "send the output of the cell to a room as well", "%%rtmsg capture lab"),
    "notify": (CELL, "tell people how the cell has ended", "%%rtmsg notify training"),
}
"""By name: where the command stands, what it does, and an example."""

COMMANDS = tuple(_COMMANDS)


def _parser() -> LineParser:
    text = "\n".join(f"  {example:38} {what}" for _, what, example in _COMMANDS.values())
    parser = LineParser(
        prog="%rtmsg",
        usage="%(prog)s COMMAND ...",
        epilog=f"commands:\n{text}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--cell", action="store_true", help=argparse.SUPPRESS)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", help=argparse.SUPPRESS)
    made = {
        name: commands.add_parser(name, prog=f"%rtmsg {name}", description=what, epilog=f"example: {example}")
        for name, (_, what, example) in _COMMANDS.items()
    }
    for name in ("join", "tail", "stop", "emit", "capture"):
        made[name].add_argument("room", metavar="ROOM")
    made["join"].add_argument("--as", dest="as_", metavar="NAME", help="a subscription, whose position the hub keeps")
    made["tail"].add_argument("-n", "--last", metavar="N", type=int, default=10, help="begin with N events (10)")
    made["tail"].add_argument("--event", metavar="NAME", help="only events of this name")
    made["emit"].add_argument("event", metavar="EVENT", nargs="?", help="its name; above a cell: result")
    made["notify"].add_argument("name", metavar="NAME", nargs="*", help="what runs: the cell")
    made["notify"].add_argument("--room", metavar="ROOM", help="instead of: notices")
    return parser


_PARSER = _parser()
_DATA = re.compile(r"((?:--cell\s+)?emit\s+\S+\s+\S+)\s+(\S.*)", re.DOTALL)


def parse(line: str) -> Any:
    """Return the arguments of a line: ``command``, ``cell``, ``data`` (text or None), and those of the command.

    Raises
    ------
    Wrong
        If it was written wrong.
    Finished
        If it asked for help, which was printed.
    """
    # The data of an event are not split: they are JSON or an expression of Python, with spaces and quotes.
    match = _DATA.fullmatch(line.strip())
    words, data = (match[1], match[2]) if match else (line, None)
    if match and "-h" in words.split():
        data = None
    arguments = _PARSER.parse_args(words.split())
    if arguments.command is None:
        _PARSER.print_help()
        raise Finished
    where = CELL if arguments.cell else LINE
    if where not in _COMMANDS[arguments.command][0]:
        example = _COMMANDS[arguments.command][2]
        raise Wrong(f"{arguments.command} stands {'above a cell' if where == LINE else 'in a line'}. Write {example}")
    arguments.data = data
    return arguments
