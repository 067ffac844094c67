"""The built widget in a real browser. The test is its kernel."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

import jupyter_rtmsg.widgets

pytestmark = pytest.mark.browser

STATIC = Path(jupyter_rtmsg.widgets.__file__).parent / "static"
# Like the model that anywidget hands in; `hear` and `change` are the kernel's.
MODEL = """
class Model {
  constructor(state) { this.state = state; this.sent = []; this.listeners = []; }
  get(name) { return this.state[name]; }
  send(message) { this.sent.push(message); }
  on(names, f) { names.split(' ').forEach(name => this.listeners.push([name, f])); }
  off(names, f) { this.listeners = this.listeners.filter(([n, g]) => !(names.split(' ').includes(n) && g === f)); }
  tell(name, ...args) { this.listeners.filter(([n]) => n === name).forEach(([, f]) => f(...args)); }
  hear(message) { this.tell('msg:custom', message); }
  change(state) { Object.assign(this.state, state); Object.keys(state).forEach(name => this.tell('change:' + name)); }
}
async function begin(source, state) {
  const module = await import(URL.createObjectURL(new Blob([source], {type: 'text/javascript'})));
  window.widget = await module.default();
  window.model = new Model(state);
  window.forget = await widget.initialize({model});
}
async function render() {
  const el = document.createElement('div');
  document.body.append(el);
  return await widget.render({model, el});
}
"""
STATE = {"room_name": "lab", "state": "connected", "problem": "", "missed": 0, "members": []}
SCROLL_BACK = "list => new Promise(done => { list.onscroll = done; list.scrollTop = 0; })"


class View:
    """A view on a page, and the kernel behind it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        page.add_style_tag(content=(STATIC / "room.css").read_text())
        page.add_script_tag(content=MODEL)

    def begin(self, *events: dict[str, Any], **state: Any) -> View:
        recent = {"first": 1, "events": list(events)}
        source = (STATIC / "room.js").read_text()
        self.page.evaluate("([source, state]) => begin(source, state)", [source, {**STATE, "recent": recent, **state}])
        return self

    def render(self) -> View:
        self.page.evaluate("async () => { window.close = await render(); }")
        return self

    def hear(self, **message: Any) -> None:
        self.page.evaluate("message => model.hear(message)", message)

    def events(self, first: int, *names: str, whole: bool = False) -> None:
        self.hear(kind="events", first=first, whole=whole, events=[event(name) for name in names])

    def change(self, **state: Any) -> None:
        self.page.evaluate("state => model.change(state)", state)

    @property
    def button(self) -> Locator:
        return self.page.get_by_role("button", name="Emit")

    def fill(self, event: str, data: str = "") -> None:
        self.page.get_by_label("Event", exact=True).fill(event)
        self.page.get_by_label("Data (JSON)").fill(data)

    def emit(self, event: str, data: str = "") -> None:
        self.fill(event, data)
        self.button.click()

    @property
    def sent(self) -> list[dict[str, Any]]:
        return list(self.page.evaluate("model.sent"))

    @property
    def rows(self) -> Locator:
        """The rows that are rendered: those in view and a few beside them."""
        return self.page.locator(".jp-RtmsgRoomView-event")

    @property
    def names(self) -> list[str]:
        return self.page.locator(".jp-RtmsgRoomView-event .jp-RtmsgRoomView-eventName").all_text_contents()

    @property
    def outcome(self) -> Any:
        return self.page.locator(".jp-RtmsgRoomView-outcome")


def event(name: str, **fields: Any) -> dict[str, Any]:
    defaults = {"data": None, "sender": "alice", "member": "m1", "ts": 1_700_000_000_000, "seq": 1, "replay": False}
    return {"name": name, **defaults, **fields}


@pytest.fixture
def view(browser: Browser) -> Iterator[View]:
    page = browser.new_page()
    failures: list[str] = []
    page.on("pageerror", lambda error: failures.append(str(error)))
    yield View(page)
    page.close()
    assert failures == []


def test_a_view_shows_earlier_and_live_events(view: View) -> None:
    view.begin(event("before")).render()
    view.events(2, "one", "two")
    assert view.names == ["before", "one", "two"]
    assert view.sent == []


def test_events_from_before_the_first_rendering_are_shown(view: View) -> None:
    view.begin()
    view.events(1, "early")
    view.render()
    assert view.names == ["early"]


def test_nothing_yet_is_said_so(view: View) -> None:
    view.begin().render()
    hint = view.page.get_by_text("Nothing has happened here yet.")
    expect(hint).to_be_visible()
    view.events(1, "one")
    expect(hint).to_be_hidden()


def test_text_of_users_is_shown_as_text(view: View) -> None:
    evil = "<img src=x onerror='document.title = 1'>"
    view.begin(event(evil, data=evil, sender=evil), room_name=evil, problem=evil).render()
    view.change(members=[{"member": "m1", "label": evil, "title": evil, "state": "here"}])
    expect(view.page.locator(".jp-RtmsgRoomView-data")).to_have_text(evil)
    assert view.page.locator(".jp-RtmsgRoomView img").count() == 0
    assert view.page.title() == ""


def test_a_lost_message_is_noticed_and_the_whole_is_asked_for(view: View) -> None:
    view.begin(event("one")).render()
    view.events(3, "three")
    assert view.sent == [{"kind": "recent"}]
    view.events(1, "one", "two", "three", whole=True)
    view.events(4, "four")
    assert view.names == ["one", "two", "three", "four"]
    assert len(view.sent) == 1


def test_an_event_that_the_view_has_already_is_not_shown_twice(view: View) -> None:
    view.begin(event("one"), event("two")).render()
    view.events(2, "two", "three")
    assert view.names == ["one", "two", "three"]


def test_only_the_latest_are_kept(view: View) -> None:
    view.begin().render()
    view.events(1, *(f"a{n}" for n in range(200)))
    view.events(201, *(f"b{n}" for n in range(50)))
    assert view.names[-1] == "b49"
    view.page.get_by_role("listbox").evaluate(SCROLL_BACK)
    expect(view.rows.first).to_have_attribute("aria-setsize", "200")
    expect(view.rows.first).to_contain_text("a50")


def test_a_full_stretch_needs_nothing_of_before(view: View) -> None:
    view.begin(event("old")).render()
    view.events(1_000, *(f"n{n}" for n in range(200)))
    expect(view.rows.last).to_have_attribute("aria-setsize", "200")
    assert view.sent == []


def test_a_sender_is_called_otherwise_once_another_has_the_same_name(view: View) -> None:
    view.begin(event("one") | {"who": "m1", "sender": "hw1"}, event("two") | {"who": "m2", "sender": "fetch"}).render()
    senders = view.page.locator(".jp-RtmsgRoomView-sender")
    expect(senders).to_have_text(["hw1", "fetch"])
    view.change(labels={"m1": "a/hw1"})
    expect(senders).to_have_text(["a/hw1", "fetch"])
    view.hear(kind="events", first=3, events=[event("three") | {"who": "m1", "sender": "a/hw1"}])
    expect(senders).to_have_text(["a/hw1", "fetch", "a/hw1"])


def test_a_long_name_does_not_hide_the_user(view: View) -> None:
    view.begin(event("one") | {"sender": "Bob " + "x" * 60, "user": "eve"}).render()
    expect(view.page.locator(".jp-RtmsgRoomView-sender")).to_have_text("Bob " + "x" * 60 + " (eve)")
    name, user = (view.page.locator(f".jp-RtmsgRoomView-sender{part}") for part in ("Name", "User"))
    assert name.evaluate("node => node.scrollWidth > node.clientWidth")
    assert user.evaluate("node => node.scrollWidth <= node.clientWidth")
    box, around = user.bounding_box(), view.page.locator(".jp-RtmsgRoomView-sender").bounding_box()
    assert box
    assert around
    assert box["x"] + box["width"] <= around["x"] + around["width"] + 1


def test_members_the_connection_and_missed_events_are_announced_to_screen_readers(view: View) -> None:
    view.begin(missed=12).render()
    view.change(state="offline", members=[{"member": "m", "label": "b.ipynb", "title": "kernel", "state": "away"}])
    expect(view.page.get_by_role("list", name="Members")).to_have_text("b.ipynb (away)")
    expect(view.page.get_by_text("offline")).to_be_visible()
    expect(view.page.get_by_text("12 missed while away")).to_be_visible()


def test_the_form_emits_and_shows_the_outcome(view: View) -> None:
    view.begin().render()
    view.emit(" hello ", '{"big": 12345678901234567890}')
    [message] = view.sent
    # as text, since numbers of a browser have 53 bits
    assert (message["event"], message["data"]) == ("hello", '{"big": 12345678901234567890}')
    view.hear(kind="outcome", id="another", ok=True, text="not mine")
    view.hear(kind="outcome", id=message["id"], ok=False, text="no such room")
    expect(view.outcome).to_have_text("no such room")


def test_a_value_that_is_not_json_is_not_sent(view: View) -> None:
    view.begin().render()
    view.fill("hello", "{")
    expect(view.page.get_by_role("alert")).to_contain_text(["Not JSON"])
    expect(view.button).to_be_disabled()
    view.page.keyboard.press("Enter")
    assert view.sent == []


def test_enter_emits(view: View) -> None:
    view.begin().render()
    view.fill("hello", "1")
    view.page.keyboard.press("Enter")
    assert [message["event"] for message in view.sent] == ["hello"]


def test_a_kernel_that_is_busy_is_said_to_be(view: View) -> None:
    view.begin().render()
    view.emit("hello")
    expect(view.outcome).to_contain_text("The kernel is busy")
    view.hear(kind="outcome", id=view.sent[0]["id"], ok=True, text="Stored as number 1")
    expect(view.outcome).to_have_text("Stored as number 1")


def test_a_kernel_that_is_gone_is_said_to_be(view: View) -> None:
    view.begin().render()
    view.page.evaluate("model.tell('comm_live_update')")
    expect(view.page.get_by_text("The kernel stopped")).to_be_visible()


def test_the_whole_state_replaces_the_shown_one(view: View) -> None:
    view.begin(event("one")).render()
    view.change(recent={"first": 7, "events": [event("seven")]})
    view.events(8, "eight")
    assert view.names == ["seven", "eight"]


def test_several_views_of_a_model_show_the_same(view: View) -> None:
    view.begin(event("one")).render().render()
    view.events(2, "two")
    assert view.names == ["one", "two"] * 2


def test_nothing_is_left_behind(view: View) -> None:
    view.begin().render()
    view.page.evaluate("() => { close(); forget(); }")
    assert view.page.evaluate("model.listeners.length") == 0


def test_it_stays_at_the_end_unless_the_reader_has_gone_back(view: View) -> None:
    view.begin(*(event(f"n{n}") for n in range(100))).render()
    log = view.page.get_by_role("listbox")
    view.events(101, "new")
    gap = "log => log.scrollHeight - log.scrollTop - log.clientHeight"
    assert log.evaluate(gap) < 2
    log.evaluate(SCROLL_BACK)
    expect(view.rows.first).to_contain_text("n0")
    view.events(102, "newer")
    assert log.evaluate("log => log.scrollTop") == 0
