"""`join(will=)`: what a client leaves behind when it is lost."""

from __future__ import annotations

import subprocess
import sys

import pytest
from support.hub import OTHER_TOKEN, TOKEN, HubServer
from support.jupyter import wait_until

import jupyter_rtmsg as rt
from jupyter_rtmsg.errors import ReservedEvent, TooLarge, WrongCall

_CLIENT = """
import sys, time
import jupyter_rtmsg as rt
room = rt.Client(sys.argv[1], sys.argv[2]).connect().join("lab", will=("gone", {"who": "ann"}, "ann"))
print("joined", flush=True)
time.sleep(600)
"""


def test_a_client_that_is_killed_leaves_its_will_and_one_that_closes_does_not() -> None:
    with HubServer(limits={"grace": 0.2}) as server, rt.Client(server.url, OTHER_TOKEN) as bob:
        lab = bob.join("lab")
        with rt.Client(server.url, TOKEN) as ann:
            ann.join("lab", will=("gone", "closed"))
        process = subprocess.Popen(
            [sys.executable, "-c", _CLIENT, server.url, TOKEN], stdout=subprocess.PIPE, text=True
        )  # fmt: skip
        assert process.stdout
        assert process.stdout.readline() == "joined\n"
        process.kill()
        process.wait()
        process.stdout.close()
        wait_until(lambda: lab.state.get("ann") == {"who": "ann"}, "the will is published and retained")
        assert [event.data for event in lab.history(event="gone")] == [{"who": "ann"}]


def test_a_wrong_will_says_what_to_write(shared_hub: HubServer, room_name: str) -> None:
    with rt.Client(shared_hub.url, TOKEN) as ann:
        with pytest.raises(WrongCall, match="event and its data"):
            ann.join(room_name, will="gone")  # type: ignore[arg-type]
        with pytest.raises(ReservedEvent):
            ann.join(room_name, will=("$gone", 1))
        with pytest.raises(TooLarge, match="the will has"):
            ann.join(room_name, will=("gone", "x" * 70_000))
        assert ann.join(room_name).emit("tick") is not None
