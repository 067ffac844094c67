"""A reader in a process of its own: ``consumer.py URL ROOM SUBSCRIPTION`` prints what it handled.

It prints the room's head when it joined, then id and seq of each event.
"""

from __future__ import annotations

import os
import sys
import threading

import jupyter_rtmsg as rt


def main(url: str, room: str, name: str) -> None:
    hub = rt.connect(url)
    lab = hub.join(room, as_=name)
    os.write(1, b"%d\n" % lab.head)
    lab.on("tick", lambda event: os.write(1, f"{event.id} {event.seq}\n".encode()))
    threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
