"""The commands that ask a hub: ``rooms``, ``tail``, ``emit``, ``export`` and ``import``."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterable
from hashlib import blake2b
from pathlib import Path
from typing import Any

from jupyter_rtmsg.errors import NotJSON
from jupyter_rtmsg.event import CORRUPT, Event
from jupyter_rtmsg.payloads.encoder import Verbatim
from jupyter_rtmsg.rooms.lines import EventLines
from jupyter_rtmsg.rooms.ndjson import encode_line, read_events
from jupyter_rtmsg.rooms.receipt import Receipt
from jupyter_rtmsg.rooms.room import Room
from jupyter_rtmsg.rooms.roomlist import room_table
from jupyter_rtmsg.rooms.sync import Client

from .usage import UsageError

_IN_FLIGHT = 200  # events that `import` has sent and that are not stored yet
_PATIENCE = 60.0  # seconds for one of them: a hub may ask to slow down


def add_rooms(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``rooms``."""
    _add_hub(parser)
    parser.add_argument("--json", action="store_true", help="a line of JSON for each room")
    parser.set_defaults(run=_connected(_rooms))


def add_tail(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``tail``."""
    _add_hub(parser)
    parser.add_argument("room", metavar="ROOM")
    parser.add_argument("-n", "--last", metavar="N", type=_count, default=10, help="begin with N events (default: 10)")
    parser.add_argument("--event", metavar="NAME", help="only events of this name")
    parser.add_argument("--no-follow", action="store_true", help="end after the events that are there")
    parser.add_argument("--json", action="store_true", help="a line of JSON for each event, as an export has it")
    parser.set_defaults(run=_connected(_tail))


def add_emit(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``emit``."""
    _add_hub(parser)
    parser.add_argument("room", metavar="ROOM")
    parser.add_argument("event", metavar="EVENT", help="the name of the event")
    parser.add_argument("data", metavar="DATA", nargs="?", default="null", help="JSON; - reads it from the input")
    parser.add_argument("--text", action="store_true", help="DATA is a text, not JSON")
    parser.add_argument("--id", help="store it once, however often it is emitted with this id within a day")
    parser.set_defaults(run=_connected(_emit))


def add_export(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``export``."""
    _add_hub(parser)
    parser.add_argument("room", metavar="ROOM")
    parser.add_argument("file", metavar="FILE", help=".ndjson, .ndjson.gz, .csv, .parquet or .arrow")
    parser.add_argument("--event", metavar="NAME", help="only events of this name")
    parser.add_argument("--sender", metavar="NAME", help="only events of this sender: a name, user or notebook")
    parser.add_argument("--after", metavar="SEQ", type=_count, help="only events after this position")
    parser.add_argument("--since", metavar="SECONDS", type=float, help="only events since this time (since 1970)")
    parser.add_argument("--limit", metavar="N", type=_count, help="at most N events, from the oldest on")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    parser.set_defaults(run=_connected(_export))


def add_import(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``import``."""
    _add_hub(parser)
    parser.add_argument("file", metavar="FILE", help="a file that an export made: .ndjson or .ndjson.gz")
    parser.add_argument("room", metavar="ROOM")
    parser.add_argument(
        "--envelope", action="store_true", help='emit {"data", "from", "ts", "seq"}, so that sender and time are kept'
    )
    parser.set_defaults(run=_connected(_import))


# --- the hub


def _count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise ValueError
    return value


def _add_hub(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--url", metavar="URL", help="the Jupyter server (default: the one that is found)")
    parser.add_argument("--timeout", metavar="SECONDS", type=float, default=10.0, help="for the hub (default: 10)")


def _connected(command: Callable[[Client, argparse.Namespace], int]) -> Callable[[argparse.Namespace], int]:
    """Return a command that connects to the hub first."""

    def run(arguments: argparse.Namespace) -> int:
        url: str | None = arguments.url
        if url and ("token=" in url or "@" in url.partition("://")[2].partition("/")[0]):
            raise UsageError("no token in an argument, since other users can read it: set RTMSG_TOKEN instead")
        # In a kernel both variables are set, and the token is for that server only: discovery knows when to send it.
        token = os.environ.get("RTMSG_TOKEN") if url and "RTMSG_URL" not in os.environ else None
        with Client(url, token, timeout=arguments.timeout).connect() as client:
            return command(client, arguments)

    return run


def _rooms(client: Client, arguments: argparse.Namespace) -> int:
    rooms = client.rooms()
    if arguments.json:
        for room in rooms:
            print(json.dumps(room))
    else:
        print(room_table(None).text(rooms))
    return 0


def _tail(client: Client, arguments: argparse.Namespace) -> int:
    wanted = arguments.event
    room = client.join(arguments.room)
    following = None if arguments.no_follow else room.events(wanted)
    seen = 0
    shown = room.history(last=arguments.last, event=wanted) if arguments.last else ()
    show = _json_line if arguments.json else EventLines(client.user)
    for event in shown:
        seen = event.seq or seen
        print(show(event), flush=True)
    for event in following or ():
        if event.seq is None or event.seq > seen:  # else it came while the history was read
            print(show(event), flush=True)
    return 0


def _json_line(event: Event) -> str:
    """Return an event as JSON in ASCII: a terminal obeys control characters, which a member may have sent."""
    return json.dumps(json.loads(encode_line(event)))


def _emit(client: Client, arguments: argparse.Namespace) -> int:
    text = sys.stdin.read() if arguments.data == "-" else arguments.data
    seq = client.join(arguments.room).emit(
        arguments.event, text if arguments.text else _json(text), id=arguments.id, timeout=arguments.timeout
    )
    print(seq)
    return 0


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NotJSON(f"DATA is JSON, and {text[:80]!r} is none ({error}): --text emits it as a text") from None


def _export(client: Client, arguments: argparse.Namespace) -> int:
    count = client.join(arguments.room).export(
        arguments.file, event=arguments.event, sender=arguments.sender, after=arguments.after, since=arguments.since,
        limit=arguments.limit, progress=not arguments.quiet,
    )  # fmt: skip
    print(f"{count:,} events are in {arguments.file}")
    return 0


def _import(client: Client, arguments: argparse.Namespace) -> int:
    room = client.join(arguments.room)
    counts = _emit_all(room, read_events(Path(arguments.file)), envelope=arguments.envelope)
    told = f"{counts['stored']:,} events are stored in room {room.name}"
    told += f"; {counts['known']:,} were there" if counts["known"] else ""
    print(told + (f"; {counts['damaged']:,} are damaged and left out" if counts["damaged"] else ""))
    return 0


def _emit_all(room: Room, events: Iterable[Event], *, envelope: bool) -> Counter[str]:
    """Emit events, and count those that were stored, those known from an earlier import, and the damaged ones."""
    waiting: deque[Receipt] = deque()
    counts: Counter[str] = Counter()

    def wait_for_oldest() -> None:
        receipt = waiting.popleft()
        receipt.result(_PATIENCE)
        counts["known" if receipt.duplicate else "stored"] += 1

    for event in events:
        if event.name == CORRUPT:
            counts["damaged"] += 1
            continue
        # The id is made from the event, so that a second import of it is a duplicate.
        id = f"import-{blake2b(encode_line(event), digest_size=16).hexdigest()}"
        data = Verbatim(_wrapped(event) if envelope else event.wire)
        waiting.append(room.emit(event.name, data, id=id, wait=False, timeout=_PATIENCE))
        if len(waiting) == _IN_FLIGHT:
            wait_for_oldest()
    while waiting:
        wait_for_oldest()
    return counts


def _wrapped(event: Event) -> dict[str, Any]:
    sender = event.sender
    who = {"user": sender.user, "kind": sender.kind, "name": sender.name}
    return {"data": event.wire, "from": who, "ts": event.ts, "seq": event.seq}
