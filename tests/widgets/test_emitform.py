"""The form without a room around it, over a real hub."""

from __future__ import annotations

from support.jupyter import wait_until
from support.views import Browser

from jupyter_rtmsg import Client
from jupyter_rtmsg.widgets import EmitForm


def test_it_emits_to_its_room_and_tells_the_hub_of_its_kernel(mine: Client, lab: str) -> None:
    room = mine.join(lab)
    form = EmitForm(room, event="metric")
    try:
        browser = Browser(form)
        id = browser.emit("metric", "1.5")
        assert wait_until(lambda: browser.outcome(id), "the browser has an answer")["ok"]
        assert room.history(last=1)[0].data == 1.5
        assert mine.hello
        assert (form.hub, form.event) == (mine.hello.hub, "metric")
        assert all("token" not in name for name in form.keys)
    finally:
        form.close()


def test_a_room_that_was_left_is_said_to_be(mine: Client, lab: str) -> None:
    room = mine.join(lab)
    form = EmitForm(room)
    try:
        room.leave()
        wait_until(lambda: form.state == "closed" and "was left" in form.problem, "it is said")
    finally:
        form.close()
