"""A worker in a process of its own: ``worker.py URL ROOM GROUP SETTINGS`` prints the events that it handles.

It prints ``ready``, then ``begin ID SEQ`` and ``end ID SEQ`` for each event. The event with the id ``poison`` ends the
process.
"""

from __future__ import annotations

import ast
import os
import sys
import threading
import time

import jupyter_rtmsg as rt


def main(url: str, room: str, group: str, settings: str) -> None:
    hub = rt.connect(url)
    lab = hub.join(room)
    options = ast.literal_eval(settings)
    delay = options.pop("delay", 0.002)

    def handle(event: rt.Event) -> None:
        os.write(1, f"begin {event.id} {event.seq}\n".encode())
        if event.id == "poison":
            os._exit(1)
        time.sleep(delay)
        os.write(1, f"end {event.id} {event.seq}\n".encode())

    os.write(1, b"ready\n")
    lab.worker(group, event="tick", key="key", **options)(handle)
    threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
