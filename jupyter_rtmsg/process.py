"""Names of processes, by which a hub can tell that a worker on its own machine has ended (docs/wire.md, `work`).

Only Linux tells enough: elsewhere `this_process` returns None, and `has_ended` is never true.
"""

from __future__ import annotations

import os
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

_MAX_PID = (1 << 31) - 1
_STATE, _STARTED = 0, 19  # fields of /proc/<pid>/stat after the name in parentheses, see proc(5)


class ProcessName(NamedTuple):
    """The name of a process, which no other process has, also after it has ended.

    Attributes
    ----------
    machine : str
        Stands for this boot of the machine, and the PID namespace (a container has its own).
    pid : int
    started : int
        When it was started (clock ticks since the boot): PIDs are used again.
    """

    machine: str
    pid: int
    started: int

    def __str__(self) -> str:
        return f"{self.machine}.{self.pid}.{self.started}"

    @classmethod
    def parse(cls, text: str) -> ProcessName:
        """Return the name in a text; raise `ValueError` if there is none."""
        machine, pid, started = text.split(".")
        if not (pid.isascii() and pid.isdigit() and started.isascii() and started.isdigit() and machine):
            raise ValueError(f"{text!r} is not the name of a process")
        if not 0 < int(pid) <= _MAX_PID:
            raise ValueError(f"{pid} is not the id of a process")
        return cls(machine, int(pid), int(started))


def this_process() -> ProcessName | None:
    """Return the name of this process; None where the system does not tell it."""
    machine, pid = _machine(), os.getpid()
    stat = _stat(pid)
    return ProcessName(machine, pid, int(stat[_STARTED])) if machine and stat else None


def has_ended(process: ProcessName) -> bool:
    """Tell whether a process is known to have ended. Of a process of another machine or container this is not known."""
    if process.machine != _machine():
        return False
    try:
        os.kill(process.pid, 0)  # the signal 0 is not sent
    except ProcessLookupError:
        return True
    except OSError:
        pass  # it is another user's, so it exists
    stat = _stat(process.pid)
    return stat is not None and (stat[_STATE] in ("Z", "X") or int(stat[_STARTED]) != process.started)


def _machine() -> str | None:
    try:
        boot, namespace = Path("/proc/sys/kernel/random/boot_id").read_bytes(), os.readlink("/proc/self/ns/pid")
    except OSError:
        return None
    return blake2b(boot + namespace.encode(), digest_size=8).hexdigest()


def _stat(pid: int) -> list[str] | None:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return fields if len(fields) > _STARTED else None
