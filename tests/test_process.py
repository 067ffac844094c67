"""Names of processes."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from jupyter_rtmsg import process
from jupyter_rtmsg.process import ProcessName, has_ended, this_process

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems do not tell enough")


def here() -> ProcessName:
    """Return the name of this process."""
    name = this_process()
    assert name is not None
    return name


def test_a_process_has_a_name_that_can_be_sent() -> None:
    assert here().pid == os.getpid()
    assert ProcessName.parse(str(here())) == here()


@pytest.mark.parametrize(
    "text", ["", "a", "a.1", "a.0.1", "a.-1.1", "a.1.x", ".1.1", "a.1.1.1", "a.99999999999.1", "a.²,1"]
)
def test_what_is_not_the_name_of_a_process_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"process|unpack"):
        ProcessName.parse(text)


def test_a_process_that_runs_has_not_ended() -> None:
    assert not has_ended(here())
    assert not has_ended(ProcessName(here().machine, 1, int((process._stat(1) or [])[19])))  # another user's


def test_a_process_has_ended_when_it_is_a_zombie_or_gone_or_another_has_its_id() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    stat = process._stat(child.pid)
    assert stat is not None
    name = ProcessName(here().machine, child.pid, int(stat[19]))
    assert not has_ended(name)
    assert has_ended(name._replace(started=name.started - 1))
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert has_ended(name)
    child.communicate()
    assert has_ended(name)


def test_nothing_is_known_of_a_process_of_another_machine() -> None:
    assert not has_ended(here()._replace(machine="another", pid=2**31 - 1))


def test_where_the_system_does_not_tell_there_is_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    name = here()
    monkeypatch.setattr(process, "_machine", lambda: None)
    assert this_process() is None
    assert not has_ended(name._replace(pid=2**31 - 1))
