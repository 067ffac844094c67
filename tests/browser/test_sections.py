"""The panel with everything open: what the sections ask, an event's menu, a tab, and what axe finds in each theme."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect
from support.jupyter import JupyterServer

from browser.conftest import ARTEFACTS
from browser.labpage import LabPage

AXE = Path(__file__).parents[2] / "labextension" / "node_modules" / "axe-core" / "axe.min.js"
THEMES = ("JupyterLab Light", "JupyterLab Dark", "JupyterLab Dark High Contrast")
LONG = "a-name-without-any-place-to-break-" * 3

# A reader that has missed events, a group with a dead letter and events that wait, values, and events of all kinds.
FILLED = f"""
import jupyter_rtmsg as rt
hub = rt.connect()
reader = hub.join("full", as_="night")
reader.leave()
room = hub.join("full")
room.state.set("lr", 9007199254740993)
room.state.set({LONG!r}, {{"epochs": [1, 2, 3]}})
@room.worker("resize", event="image.*")
def resize(event): event.reject("no such file")
for number in range(3): room.emit("metric", {{"loss": 0.25, "step": number}})
room.emit("image.new", {{"path": "a.png"}})
room.emit({LONG!r}, {{"text": {LONG!r}}})
"""

# What axe finds in our own elements. The color of a text is looked at too.
FIND = """async roots => {
    const found = await axe.run({include: roots.map(root => [root])}, {resultTypes: ['violations']});
    return found.violations.flatMap(({id, nodes}) => nodes.map(node => `${id}: ${node.html} ${node.failureSummary}`));
}"""

WIDE = """root => [root, ...root.querySelectorAll('*')].filter(element =>
    element.scrollWidth > element.clientWidth && ['auto', 'scroll'].includes(getComputedStyle(element).overflowX)
).map(element => element.outerHTML.slice(0, 200))"""


@pytest.fixture(scope="module")
def kernel(lab: JupyterServer) -> str:
    """Return the id of a kernel that has filled a room."""
    kernel = lab.start_kernel("full.ipynb")
    lab.execute(kernel, FILLED)
    return kernel


def section(page: LabPage, name: str) -> Locator:
    """Return the button of a section."""
    return page.panel.get_by_role("button", name=name, exact=True)


def open_all(page: LabPage) -> None:
    for name in ("Missed", "Work", "State"):
        if section(page, name).get_attribute("aria-expanded") == "false":
            section(page, name).click()


def picture(page: LabPage, name: str) -> None:
    ARTEFACTS.mkdir(exist_ok=True)
    page.page.screenshot(path=ARTEFACTS / f"{name}.png")


def widen(page: LabPage, width: int) -> None:
    """Drag the border of the side bar until the panel has a width."""
    box = page.panel.bounding_box()
    assert box is not None
    page.page.mouse.move(box["x"] - 2, box["y"] + 200)
    page.page.mouse.down()
    page.page.mouse.move(box["x"] - 2 + box["width"] - width, box["y"] + 200)
    page.page.mouse.up()
    page.page.wait_for_function(
        "width => Math.abs(document.querySelector('#jp-rtmsg-panel').clientWidth - width) < 9", arg=width
    )


def test_a_section_shows_what_the_room_has_and_asks_only_while_it_is_open_and_seen(
    lab: JupyterServer, kernel: str, new_page: LabPage
) -> None:
    page = new_page
    sent: list[str] = []
    page.page.on("websocket", lambda ws: ws.on("framesent", lambda data: sent.append(str(data))))
    page.open(lab).join("full")

    def asked() -> int:
        return sum(bool(re.search(r'\["(subscriptions|lag|groups|state)"', frame)) for frame in sent)

    lab.execute(kernel, "room.emit('tick', 1)")
    expect(page.events.last).to_contain_text("tick")
    assert asked() == 0

    open_all(page)
    missed = page.panel.get_by_role("region", name="Missed in full")
    night = missed.get_by_role("region", name="Missed events of night")
    expect(night).to_contain_text("missed")
    expect(night).to_contain_text("metric 3")
    work = page.panel.get_by_role("region", name="Worker groups of full")
    expect(work.get_by_role("button", name="Dead letters (1)")).to_be_visible()
    state = page.panel.get_by_role("region", name="State of full")
    expect(state).to_contain_text("9007199254740993")

    # Looking has moved nothing; a skip does, until it is undone.
    night.get_by_role("button", name="Skip").click()
    expect(night).to_contain_text("skipped")
    night.get_by_role("button", name="Undo").click()
    expect(night).to_contain_text("metric 3")

    page.hide()
    before = asked()
    lab.execute(kernel, "room.emit('tick', 2); room.state.set('lr', 1)")
    expect(page.page.locator(".jp-RtmsgStatus")).to_contain_text("2 new")
    assert asked() == before
    page.show()
    expect(state.get_by_role("row", name=re.compile("^lr"))).not_to_contain_text("9007199254740993")


def test_the_menu_of_an_event_emits_it_again_and_a_tab_shows_the_room_until_it_is_left(
    lab: JupyterServer, kernel: str, page: LabPage
) -> None:
    page.open(lab).join("menu")
    page.emit("first", "9007199254740993")
    expect(page.events).to_have_count(1)
    page.events.first.click(button="right")
    menu = page.page.get_by_role("menu")
    expect(menu.get_by_role("menuitem")).to_contain_text(["Copy", "Copy as Python", "Insert into cell", "Emit again"])
    menu.get_by_role("menuitem", name="Emit again").click()
    expect(page.events).to_have_count(2)
    expect(page.events.last).to_contain_text("9007199254740993")

    page.panel.get_by_role("button", name="Open menu as a tab").click()
    tab = page.page.locator(".jp-RtmsgTab")
    expect(tab.locator(".jp-RtmsgRoomView-event")).to_have_count(2)
    tab.get_by_label("Event", exact=True).fill("from-the-tab")
    tab.get_by_role("button", name="Emit", exact=True).click()
    expect(tab.locator(".jp-RtmsgRoomView-event")).to_have_count(3)
    page.rooms.get_by_role("button", name=re.compile("^menu")).click()
    page.panel.get_by_role("button", name="Leave menu").click()
    expect(tab).to_have_count(0)


def test_nothing_of_the_panel_breaks_a_rule_of_axe_or_scrolls_sideways(
    lab: JupyterServer, kernel: str, new_page: LabPage
) -> None:
    page = new_page
    page.page.set_viewport_size({"width": 2300, "height": 1000})
    page.open(lab).join("full")
    open_all(page)
    page.panel.get_by_role("button", name="Dead letters (1)").click()
    page.events.filter(has_text="image.new").click()
    expect(page.panel.get_by_role("region", name="Event image.new")).to_be_visible()
    page.page.add_script_tag(path=AXE)
    for theme in THEMES:
        page.command("apputils:change-theme", theme=theme)
        page.page.wait_for_function("theme => document.body.dataset.jpThemeName === theme", arg=theme)
        expect(page.page.locator("#jupyterlab-splash")).to_have_count(0)  # it dims the colors
        picture(page, f"panel-{theme.split(' ', 1)[1].lower().replace(' ', '-')}")
        found = page.page.evaluate(FIND, ["#jp-rtmsg-panel"])
        assert found == [], json.dumps(found, indent=1)
    for width in (300, 1600):
        widen(page, width)
        picture(page, f"panel-{width}")
        assert page.panel.evaluate(WIDE) == []

    widen(page, 400)
    page.panel.get_by_role("button", name="Open full as a tab").click()
    expect(page.page.locator(".jp-RtmsgTab .jp-RtmsgRoomView-event").first).to_be_visible()
    picture(page, "tab")
    found = page.page.evaluate(FIND, [".jp-RtmsgTab", "#jp-rtmsg-panel"])
    assert found == [], json.dumps(found, indent=1)
