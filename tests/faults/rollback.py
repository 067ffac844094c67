"""One trial: a log is killed while it stores, its files are damaged or replaced by older ones, and it is opened again.

Run as a script for many of them: ``python -m faults.rollback 300``.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from jupyter_rtmsg.log import EventLog, open_log

_PUBLISHER = """
import asyncio, json, sys
from jupyter_rtmsg.log import Draft, open_log

async def main(url, size):
    log = await open_log(url, ballast=0)
    print(json.dumps([log.epoch, log.opening]), flush=True)
    async def publish(lane):
        i = 0
        while True:
            data = json.dumps([log.opening, lane, i, "x" * size])
            done = await log.append(Draft("lab", "tick", data.encode()))
            print(json.dumps([done.seq, data]), flush=True)
            i += 1
    await asyncio.gather(*(publish(lane) for lane in range(4)))

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""

PARTS = ("", "-wal", "-shm", ".mark")


@dataclass
class Told:
    """The acknowledgements that a publisher got before it was killed."""

    epoch: str
    opening: str
    acked: dict[int, str]

    @property
    def last(self) -> int:
        return max(self.acked)


def publish(path: Path, count: int, *, size: int = 10, at: int = 0, halfway: Callable[[], None] | None = None) -> Told:
    """Append in another process, and kill it after a number of acknowledgements. It is stopped once for ``halfway``."""
    command = [sys.executable, "-c", _PUBLISHER, f"sqlite:///{path}", str(size)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = Told(*json.loads(process.stdout.readline()), {})
        while len(told.acked) < count:
            seq, data = json.loads(process.stdout.readline())
            told.acked[seq] = data
            if halfway and len(told.acked) == at:
                process.send_signal(signal.SIGSTOP)
                os.waitpid(process.pid, os.WUNTRACED)
                halfway()
                process.send_signal(signal.SIGCONT)
        process.send_signal(signal.SIGKILL)
        for line in process.stdout:  # what it was told before the signal came
            if line.endswith("\n"):
                seq, data = json.loads(line)
                told.acked[seq] = data
    return told


def beside(path: Path, part: str) -> Path:
    return path.with_name(path.name + part)


def copy(path: Path, to: Path, *parts: str) -> None:
    """Copy the files of a log that exist; remove the others."""
    for part in parts:
        beside(to, part).unlink(missing_ok=True)
        if beside(path, part).exists():
            shutil.copy(beside(path, part), beside(to, part))


def lose_wal(path: Path, _: random.Random) -> None:
    beside(path, "-wal").unlink()


def truncate_wal(path: Path, rng: random.Random) -> None:
    wal = beside(path, "-wal")
    os.truncate(wal, rng.randrange(wal.stat().st_size + 1))


def flip_wal(path: Path, rng: random.Random) -> None:
    wal = beside(path, "-wal")
    data = bytearray(wal.read_bytes())
    if data:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        wal.write_bytes(data)


def restore(*parts: str) -> Callable[[Path, random.Random], None]:
    """Put an older copy back, without some of its parts, which stay as they are."""
    return lambda path, _: copy(beside(path, ".copy"), path, *parts)


def restore_file_alone(path: Path, _: random.Random) -> None:
    copy(beside(path, ".copy"), path, "")
    beside(path, "-wal").unlink(missing_ok=True)


DAMAGES: dict[str, Callable[[Path, random.Random], None]] = {
    "the write-ahead log is removed": lose_wal,
    "the write-ahead log is cut": truncate_wal,
    "a bit of the write-ahead log is flipped": flip_wal,
    "an older copy is restored": restore("", "-wal", "-shm"),
    "an older copy of the file alone is restored": restore_file_alone,
    "an older copy is restored beside the newer write-ahead log": restore(""),
    "an older copy is restored, mark and all": restore(*PARTS),
}
WITHOUT_MARK = frozenset({"an older copy is restored, mark and all"})


@dataclass
class Verdict:
    """The result of a trial.

    Attributes
    ----------
    lost : int
        Acknowledged events that the log does not hold.
    warned : bool
        Whether the log says so.
    told : bool
        Whether a reader that saw the last of them would be told.
    kept : bool
        Whether its position still holds.
    """

    lost: int
    warned: bool
    told: bool
    kept: bool


async def trial(path: Path, damage: str, seed: int) -> Verdict:
    rng = random.Random(seed)
    size = rng.choice((10, 300, 3_000, 30_000))
    count = rng.randrange(40, 200)
    publish(path, 10)
    told = publish(
        path, count, size=size, at=rng.randrange(5, 30), halfway=lambda: copy(path, beside(path, ".copy"), *PARTS)
    )
    DAMAGES[damage](path, rng)
    log = await open_log(f"sqlite:///{path}", ballast=0)
    try:
        return await _judge(log, told)
    finally:
        await log.close()


async def _judge(log: EventLog, told: Told) -> Verdict:
    stored = {record.seq: record.data.decode() for record in await _read_all(log)}
    lost = sum(stored.get(seq) != data for seq, data in told.acked.items())
    kept = log.locate(told.last, told.epoch, told.opening) is not None
    cut = log.cut(told.opening)
    assert cut <= log.head
    assert all(stored.get(seq) == data for seq, data in told.acked.items() if seq <= cut), "the cut is in what was seen"
    return Verdict(lost, log.warning is not None, not kept, kept)


async def _read_all(log: EventLog) -> list:
    records, after, more = [], 0, True
    while more:
        page = await log.read("lab", after=after, limit=1_000, max_bytes=1 << 30)
        records += page.records
        after, more = page.through, page.more
    return records


def main(count: int, *only: str) -> None:
    damages = only or list(DAMAGES)
    rng = random.Random(11)
    seen: Counter[str] = Counter()
    for number in range(count):
        damage = damages[number % len(damages)]
        with tempfile.TemporaryDirectory() as directory:
            verdict = asyncio.run(trial(Path(directory) / "log.sqlite3", damage, rng.randrange(1 << 30)))
        kind = "kept" if not verdict.lost else "lost and told" if verdict.told else "LOST SILENTLY"
        seen[f"{damage}: {kind}, {'with' if verdict.warned else 'without'} a warning"] += 1
    for line, times in sorted(seen.items()):
        print(f"{times:5} {line}")


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
