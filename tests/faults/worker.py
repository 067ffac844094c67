"""A worker in a process of its own: ``worker.py URL ROOM GROUP SETTINGS`` prints the events that it handles.

It prints ``ready``, then ``begin ID SEQ`` and ``end ID SEQ`` for each event. The event with the id ``poison`` kills the
process. With the setting ``reject_below``, every third id below that number is rejected at its first delivery.
"""

from __future__ import annotations

import ast
import os
import signal
import sys
import threading
import time

import jupyter_rtmsg as rt


def main(url: str, room: str, group: str, settings: str) -> None:
    sys.stdout = sys.stderr  # for what the package prints, as of dead letters that wait
    hub = rt.connect(url)
    lab = hub.join(room)
    options = ast.literal_eval(settings)
    delay, reject_below = options.pop("delay", 0.002), options.pop("reject_below", 0)

    def handle(event: rt.Event) -> None:
        os.write(1, f"begin {event.id} {event.seq}\n".encode())
        if event.id == "poison":
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(delay)
        number = int(str(event.id)[1:])
        if event.deliveries == 1 and number < reject_below and number % 3 == 0:
            event.reject("for the first time")
            return
        os.write(1, f"end {event.id} {event.seq}\n".encode())

    os.write(1, b"ready\n")
    lab.worker(group, event="tick", key="key", **options)(handle)
    threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
