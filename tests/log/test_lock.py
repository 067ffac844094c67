from __future__ import annotations

import errno
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, TimeoutError
from pathlib import Path

import pytest

from jupyter_rtmsg.log import open_log
from jupyter_rtmsg.log.lock import FileLock, InUseError

fcntl = pytest.importorskip("fcntl")

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


def test_a_waiting_server_gets_the_lock_as_soon_as_its_holder_ends(tmp_path: Path) -> None:
    holder = FileLock(tmp_path / "log")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(FileLock, tmp_path / "log", wait=True)
        with pytest.raises(TimeoutError):
            waiting.result(0.05)
        holder.release()
        lock = waiting.result(30)
    with pytest.raises(InUseError):
        FileLock(tmp_path / "log")
    lock.release()


def test_a_lock_on_a_removed_file_does_not_count(tmp_path: Path) -> None:
    """Somebody tidied the directory up: the next server locks a new file."""
    holder = FileLock(tmp_path / "log")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(FileLock, tmp_path / "log", wait=True)
        with pytest.raises(TimeoutError):
            waiting.result(0.05)
        (tmp_path / "log.lock").unlink()
        other = FileLock(tmp_path / "log")
        holder.release()
        with pytest.raises(TimeoutError):
            waiting.result(0.05)
        other.release()
        waiting.result(30).release()


def no_flock(*_: object) -> None:
    raise OSError(errno.ENOLCK, "No locks available")


@pytest.mark.linux  # which has locks of open file descriptions
@pytest.mark.skipif(not hasattr(fcntl, "F_OFD_SETLK"), reason="this kernel has no locks of open file descriptions")
def test_without_flock_the_bytes_of_the_file_are_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on old NFS."""
    monkeypatch.setattr(fcntl, "flock", no_flock)
    first = FileLock(tmp_path / "log")
    with pytest.raises(InUseError, match=str(os.getpid())):
        FileLock(tmp_path / "log")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(FileLock, tmp_path / "log", wait=True)
        with pytest.raises(TimeoutError):
            waiting.result(0.05)
        first.release()
        waiting.result(30).release()


async def test_without_any_locks_events_are_in_memory_and_the_warning_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fcntl, "flock", no_flock)
    monkeypatch.setattr(fcntl, "fcntl", no_flock)
    log = await open_log(f"sqlite:///{tmp_path}/log.sqlite3", ballast=0)
    assert not log.durable
    assert "cannot be locked: its file system has no locks ([Errno 37] No locks available)" in (log.warning or "")
    await log.close()


def test_a_holder_on_another_host_is_named_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "node7")
    lock = FileLock(tmp_path / "log")
    monkeypatch.undo()
    with pytest.raises(InUseError, match=rf"\(process {os.getpid()} on node7\)"):
        FileLock(tmp_path / "log")
    lock.release()
