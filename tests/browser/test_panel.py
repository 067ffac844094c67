"""The panel in a real JupyterLab: what people see, and what reaches a kernel."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect
from support.jupyter import JupyterServer

from browser.labpage import LabPage


@pytest.fixture(scope="module")
def kernel(lab: JupyterServer) -> str:
    """Return the id of a kernel that runs for a notebook."""
    kernel = lab.start_kernel("train.ipynb")
    lab.execute(kernel, "import jupyter_rtmsg as rt; hub = rt.connect()")
    return kernel


def join(lab: JupyterServer, kernel: str, room: str) -> None:
    """Let the kernel join a room, as ``room``."""
    lab.execute(kernel, f"room = hub.join({room!r})")


def test_an_event_emitted_by_a_kernel_appears(lab: JupyterServer, kernel: str, page: LabPage) -> None:
    page.open(lab).join("live")
    join(lab, kernel, "live")
    lab.execute(kernel, "room.emit('metric', {'loss': 0.25})")
    expect(page.events).to_have_count(1)
    expect(page.events).to_contain_text(["metric"])
    expect(page.events.locator("code")).to_have_text('{"loss": 0.25}')
    expect(page.events).to_contain_text(["train"])


def test_an_event_emitted_from_the_panel_reaches_a_kernel(lab: JupyterServer, kernel: str, page: LabPage) -> None:
    join(lab, kernel, "back")
    page.open(lab).join("back")
    page.emit("hello", '{"from": "the panel"}')
    expect(page.events).to_contain_text(["hello"])
    received = lab.execute(kernel, "print(next(iter(room.events('hello', timeout=30))).data)")
    assert received.text.strip() == "{'from': 'the panel'}"


def test_the_latest_events_are_there_when_a_room_is_joined(lab: JupyterServer, kernel: str, page: LabPage) -> None:
    join(lab, kernel, "past")
    lab.execute(kernel, "for number in range(60): room.emit('tick', number)")
    page.open(lab)
    page.rooms.get_by_role("button", name=re.compile("^past")).click()
    expect(page.events.last).to_have_attribute("aria-setsize", "50")
    expect(page.events.last).to_contain_text("59")
    expect(page.events.last.get_by_label("replayed")).to_be_visible()
    lab.execute(kernel, "room.emit('tick', 60)")
    expect(page.events.last).to_have_attribute("aria-setsize", "51")
    expect(page.events.last).to_contain_text("60")
    expect(page.events.last.get_by_label("replayed")).to_have_count(0)
    page.panel.get_by_role("button", name="Load earlier").click()
    expect(page.events.last).to_have_attribute("aria-setsize", "61")
    expect(page.panel.get_by_role("button", name="Load earlier")).to_have_count(0)


def test_the_rooms_tell_how_many_are_there_and_how_much_they_hold(
    lab: JupyterServer, kernel: str, page: LabPage
) -> None:
    join(lab, kernel, "counted")
    lab.execute(kernel, "for number in range(3): room.emit('tick', number)")
    page.open(lab)
    expect(page.rooms.get_by_role("button", name=re.compile("^counted"))).to_contain_text("1 member · 3 events")


def test_joins_and_leaves_are_shown(lab: JupyterServer, kernel: str, page: LabPage) -> None:
    page.open(lab).join("presence")
    expect(page.members.get_by_role("listitem")).to_have_count(1)
    join(lab, kernel, "presence")
    expect(page.members).to_contain_text("train")
    lab.execute(kernel, "room.leave()")
    expect(page.members).not_to_contain_text("train")


def test_data_that_are_not_json_are_reported_in_the_form_and_not_sent(lab: JupyterServer, page: LabPage) -> None:
    page.open(lab).join("typo")
    page.event_field.fill("hello")
    page.data_field.fill('{"a": ')
    expect(page.panel.get_by_role("alert")).to_contain_text(["Not JSON"])
    expect(page.emit_button).to_be_disabled()
    page.data_field.fill('{"a": 1}')
    expect(page.emit_button).to_be_enabled()


def test_a_refusal_of_the_hub_is_shown_with_its_own_text(lab: JupyterServer, page: LabPage) -> None:
    page.open(lab).join("refused")
    page.emit("$mine")
    expect(page.panel.get_by_role("form").get_by_role("alert").last).to_contain_text("$mine")
    expect(page.events).to_have_count(0)


def test_a_room_that_may_not_be_named_so_is_refused_with_the_reason(lab: JupyterServer, page: LabPage) -> None:
    page.open(lab)
    page.panel.get_by_label("Room to join").fill("no/slash")
    page.panel.get_by_role("button", name="Join", exact=True).click()
    expect(page.rooms.get_by_role("alert")).to_contain_text("no/slash")


def test_data_is_shown_as_text_whatever_it_holds(lab: JupyterServer, kernel: str, page: LabPage) -> None:
    page.open(lab).join("markup")
    join(lab, kernel, "markup")
    lab.execute(kernel, "room.emit('note', '<img src=x onerror=alert(1)>')")
    expect(page.events.locator("code")).to_have_text('"<img src=x onerror=alert(1)>"')
    expect(page.events.locator("img")).to_have_count(0)


def test_the_panel_can_be_used_with_the_keyboard_alone(lab: JupyterServer, page: LabPage) -> None:
    page.open(lab)
    expect(page.state).to_have_text("Connected")
    page.panel.get_by_label("Room to join").focus()
    page.page.keyboard.type("typed")
    page.page.keyboard.press("Enter")
    expect(page.panel.get_by_role("log", name="Events of typed")).to_be_visible()
    page.event_field.focus()
    page.page.keyboard.type("hello")
    page.page.keyboard.press("Tab")
    page.page.keyboard.type("[1, 2]")
    page.page.keyboard.press("Control+Enter")
    expect(page.events.locator("code")).to_have_text("[1, 2]")


def test_the_panel_is_silent_at_rest_and_shows_an_event_at_once(
    lab: JupyterServer, kernel: str, new_page: LabPage
) -> None:
    page = new_page
    sent: list[str | bytes] = []
    page.page.on("websocket", lambda ws: "socket.io" in ws.url and ws.on("framesent", lambda data: sent.append(data)))
    page.open(lab).join("still")
    expect(page.members).to_contain_text("(you)")
    page.page.wait_for_timeout(3_000)  # what joining has changed is asked for
    begun = len(sent)
    while len(sent) < begun + 26:  # so many answers to pings take 8 s: more than the panel ever waited to ask again
        page.page.wait_for_timeout(100)
    assert set(sent[begun:]) == {"3"}
    lab.execute(kernel, "hub.join('quiet').emit('tick', 1)")
    expect(page.rooms).to_contain_text("quiet")
