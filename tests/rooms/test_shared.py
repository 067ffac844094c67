"""`hub.shared` keeps a trait equal for all: the last writer wins, and nothing goes back and forth."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import Any

import pytest
import traitlets
from support.hub import OTHER_TOKEN, TOKEN, HubServer
from support.jupyter import wait_until

import jupyter_rtmsg as rt
from jupyter_rtmsg.rooms.shared import INTERVAL


class Slider(traitlets.HasTraits):
    """A slider from 0 to 100, which rounds as that of ipywidgets does, and keeps what it was set to."""

    value = traitlets.Int(0)
    range = traitlets.Tuple((0, 1))

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        self.seen: list[int] = []
        self.observe(lambda change: self.seen.append(change["new"]), "value")

    @traitlets.validate("value")
    def _rounded(self, proposal: Any) -> int:
        return min(proposal["value"], 100)


@pytest.fixture
def two(shared_hub: HubServer) -> Any:
    """Two clients."""
    with rt.Client(shared_hub.url, TOKEN) as ann, rt.Client(shared_hub.url, OTHER_TOKEN) as bob:
        yield ann, bob


def test_a_change_of_one_is_seen_by_the_other_and_comes_from_there_as_well(two: Any, room_name: str) -> None:
    ann, bob = two
    one, other = Slider(value=3), Slider(value=7)
    ann.shared(one, "value", room=room_name)
    wait_until(lambda: ann.join(room_name).state.get("value") == 3, "the first gives its value")
    shared = bob.shared(other, "value", room=room_name)
    wait_until(lambda: other.value == 3, "who comes later takes it")
    one.value = 20
    wait_until(lambda: other.value == 20, "it came")
    other.value = 30
    wait_until(lambda: one.value == 30, "and back")
    assert (one.seen, other.seen) == ([20, 30], [3, 20, 30]), "no echo"
    assert "Slider" in repr(shared)
    shared.stop()
    one.value = 40
    wait_until(lambda: bob.join(room_name).state["value"] == 40, "the room has it")
    other.value = 50
    assert (one.value, other.value, bob.join(room_name).state["value"]) == (40, 50, 40)


def test_two_sliders_that_are_dragged_at_once_settle_on_one_value(two: Any, room_name: str) -> None:
    sliders = [Slider(), Slider()]
    for client, slider in zip(two, sliders, strict=True):
        client.shared(slider, room=room_name)
    wait_until(lambda: "value" in two[0].join(room_name).state, "it began")

    def drag(slider: Slider, values: range) -> None:
        for value in values:
            slider.value = value
            threading.Event().wait(0.002)

    threads = [
        threading.Thread(target=drag, args=(sliders[0], range(1, 60))),
        threading.Thread(target=drag, args=(sliders[1], range(99, 40, -1))),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    states = [client.join(room_name).state for client in two]

    def settled() -> bool:
        return sliders[0].value == sliders[1].value == states[0]["value"] == states[1]["value"]

    wait_until(settled, "they are equal")
    seq = states[0].seq("value")
    threading.Event().wait(4 * INTERVAL)
    assert settled()
    assert states[0].seq("value") == seq, "nothing is sent any more"
    assert sliders[0].value in (59, 41), "it is the last one of one of them"


def test_changes_are_throttled_and_the_last_one_is_always_sent(two: Any, room_name: str) -> None:
    slider = Slider()
    two[0].shared(slider, room=room_name)
    lab = two[1].join(room_name)
    wait_until(lambda: lab.state.get("value") == 0, "it began")
    before = lab.head
    for value in range(1, 101):
        slider.value = value
    wait_until(lambda: lab.state["value"] == 100, "the last one came")
    assert lab.head - before <= 10
    assert lab.state.event("value").name == "shared"


def test_a_tuple_stays_a_tuple_and_a_value_that_does_not_fit_changes_nothing(two: Any, room_name: str) -> None:
    ann, bob = two
    slider = Slider()
    ann.shared(slider, "range", room=room_name)
    lab = bob.join(room_name)
    wait_until(lambda: lab.state.get("range") == [0, 1], "it began")
    lab.state.set("range", [5, 6])
    wait_until(lambda: slider.range == (5, 6), "it came")
    lab.state.set("range", "no range")
    lab.state.set("range", [7, 8])
    wait_until(lambda: slider.range == (7, 8), "it goes on")


def test_it_ends_when_the_room_is_left(two: Any, room_name: str) -> None:
    slider = Slider()
    shared = two[0].shared(slider, room=room_name, key="k")
    two[0].join(room_name).leave()
    wait_until(lambda: "stopped" in repr(shared), "it stopped")
    slider.value = 5


async def test_code_that_awaits_shares_too(shared_hub: HubServer, room_name: str) -> None:
    async with rt.AsyncClient(shared_hub.url, TOKEN) as hub:
        slider = Slider(value=4)
        (await hub.shared(slider, room=room_name)).stop()


def test_neither_traitlets_nor_ipywidgets_is_imported() -> None:
    code = "import sys, jupyter_rtmsg.rooms.sync; assert not {'traitlets', 'ipywidgets'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
