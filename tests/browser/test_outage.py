"""The panel when the hub is gone, comes back, or was never there."""

from __future__ import annotations

from browser.conftest import MakeLab
from browser.labpage import LabPage
from playwright.sync_api import expect
from support.jupyter import JupyterServer, wait_until


def test_after_a_crash_of_the_server_the_panel_goes_on_where_it_was(make_lab: MakeLab, page: LabPage) -> None:
    lab = make_lab().start()
    page.open(lab).join("lab")
    page.emit("before", "1")
    expect(page.events).to_have_count(1)
    lab.kill()
    expect(page.state).to_have_text("Offline")
    expect(page.emit_button).to_be_disabled()
    lab.start()
    expect(page.state).to_have_text("Connected")
    page.emit("after", "2")
    expect(page.events).to_have_count(2)
    expect(page.events).to_contain_text(["before", "after"])


def test_without_the_server_extension_it_says_what_to_do(make_lab: MakeLab, page: LabPage) -> None:
    lab = make_lab(ServerApp={"jpserver_extensions": {"jupyter_rtmsg": False}}).start(wait=False)
    wait_until(lambda: answers(lab), "JupyterLab answers")
    page.open(lab)
    expect(page.state).to_have_text("Not available")
    expect(page.panel).to_contain_text("jupyter server extension list")


def test_a_log_that_is_not_durable_is_warned_of(make_lab: MakeLab, page: LabPage) -> None:
    lab = make_lab()
    # A file where the folder should be: nobody can write there, not even root.
    (lab.data / "rtmsg").write_text("")
    page.open(lab.start())
    expect(page.state).to_have_text("Connected")
    expect(page.panel.get_by_role("alert")).to_contain_text("in memory only")


def test_once_the_log_can_be_had_the_warning_goes_and_every_event_is_there_once(
    make_lab: MakeLab, page: LabPage
) -> None:
    lab = make_lab()
    (lab.data / "rtmsg").write_text("")
    page.open(lab.start()).join("lab")
    page.emit("before", "1")
    warning = page.panel.get_by_role("alert").filter(has_text="in memory only")
    expect(warning).to_contain_text("tries again by itself")
    (lab.data / "rtmsg").unlink()
    wait_until(lambda: lab.status()["log"]["durable"], "the log is made")
    expect(warning).to_have_count(0)
    page.emit("after", "2")
    expect(page.events).to_have_count(2)
    expect(page.events).to_contain_text(["before", "after"])


def answers(lab: JupyterServer) -> bool:
    """Tell whether JupyterLab is up, with our extension or without."""
    try:
        return lab.request("GET", "api/status").status == 200
    except OSError:
        return False
