from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from jupyter_rtmsg.log.lock import FileLock, InUseError

_HOLDER = """
import sys
from pathlib import Path
from jupyter_rtmsg.log.lock import FileLock
lock = FileLock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_another_process_is_kept_out_and_named_until_it_dies(tmp_path: Path) -> None:
    log = tmp_path / "log"
    command = [sys.executable, "-c", _HOLDER, str(log)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(InUseError, match=rf"{log} is in use by another server \(process {holder.pid}\)"):
            FileLock(log)
        holder.kill()
    FileLock(log).release()


def test_the_same_process_cannot_lock_twice(tmp_path: Path) -> None:
    first = FileLock(tmp_path / "log")
    with pytest.raises(InUseError):
        FileLock(tmp_path / "log")
    first.release()
    FileLock(tmp_path / "log").release()


def test_a_child_process_does_not_inherit_the_lock(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "log")
    command = [sys.executable, "-c", "print('running', flush=True); input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, close_fds=False) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"running\n"
        lock.release()
        FileLock(tmp_path / "log").release()
        child.communicate(b"\n")
