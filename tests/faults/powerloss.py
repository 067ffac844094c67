"""The state of a log after a power loss: the writes of a hub are recorded, and replayed up to any moment.

At a power loss everything that a file was given before its last fsync is there. Of what came after, each sector may be
there or not. Entries of directories (a file that is made or removed) are taken to be there at once.
"""

from __future__ import annotations

import os
import random
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_SOURCE = Path(__file__).with_name("record.c")
_HEADER = struct.Struct("=diiqq")  # struct entry of record.c
_SECTOR = 512
WRITE, SYNC, TRUNCATE, UNLINK = 1, 2, 3, 4


def build(folder: Path) -> Path:
    """Compile the recorder."""
    library = folder / "record.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", library, _SOURCE, "-ldl"], check=True)
    return library


def recording(library: Path, into: Path, match: str) -> dict[str, str]:
    """Return the environment of a process whose writes are recorded."""
    return {"LD_PRELOAD": str(library), "RECORD": str(into), "RECORD_MATCH": match}


@dataclass(frozen=True)
class Entry:
    """An operation on a file, and its time (CLOCK_MONOTONIC, s)."""

    time: float
    operation: int
    name: str
    offset: int
    data: bytes


def entries(record: Path) -> Iterator[Entry]:
    """Yield the recorded operations."""
    with record.open("rb") as file:
        while header := file.read(_HEADER.size):
            time, operation, path, offset, length = _HEADER.unpack(header)
            name = os.path.basename(file.read(path).decode())
            yield Entry(time, operation, name, offset, file.read(length) if operation == WRITE else b"")


@dataclass
class _File:
    durable: bytearray = field(default_factory=bytearray)
    waiting: list[Entry] = field(default_factory=list)

    def sync(self) -> None:
        for entry in self.waiting:
            _apply(self.durable, entry)
        self.waiting.clear()

    def after_loss(self, chance: random.Random) -> bytes:
        """Return one of the states in which a power loss may leave it."""
        content = bytearray(self.durable)
        share = chance.choice([0.0, 0.5, 1.0, chance.random()])
        for entry in self.waiting:
            for part in _sectors(entry):
                if chance.random() < share:
                    _apply(content, part)
        return bytes(content)


class Disk:
    """The files of a log as a disk has them."""

    def __init__(self) -> None:
        self._files: dict[str, _File] = {}

    def do(self, entry: Entry) -> None:
        """Apply the next operation."""
        if entry.operation == UNLINK:
            self._files.pop(entry.name, None)
            return
        file = self._files.setdefault(entry.name, _File())
        if entry.operation == SYNC:
            file.sync()
        else:
            file.waiting.append(entry)

    def lose_power(self, folder: Path, chance: random.Random) -> None:
        """Write a possible state after a power loss into a folder. SQLite's shared memory is lost."""
        for name, file in self._files.items():
            if not name.endswith(("-shm", ".lock", ".ballast")):
                (folder / name).write_bytes(file.after_loss(chance))


def _sectors(entry: Entry) -> Iterator[Entry]:
    if entry.operation != WRITE:
        yield entry
        return
    for start in range(0, len(entry.data), _SECTOR):
        part = entry.data[start : start + _SECTOR]
        yield Entry(entry.time, WRITE, entry.name, entry.offset + start, part)


def _apply(content: bytearray, entry: Entry) -> None:
    if entry.operation == TRUNCATE:
        del content[entry.offset :]
        return
    if len(content) < entry.offset:
        content.extend(bytes(entry.offset - len(content)))
    content[entry.offset : entry.offset + len(entry.data)] = entry.data
