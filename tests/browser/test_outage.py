"""The panel when the hub is gone, comes back, or was never there."""

from __future__ import annotations

from playwright.sync_api import expect
from support.jupyter import JupyterServer, wait_until

from browser.conftest import MakeLab
from browser.labpage import LabPage


def test_a_log_in_memory_is_warned_of_until_it_can_be_kept_and_the_panel_goes_on_after_a_crash(
    make_lab: MakeLab, new_page: LabPage
) -> None:
    page, lab = new_page, make_lab()
    # A file where the folder should be: nobody can write there, not even root.
    (lab.data / "rtmsg").write_text("")
    page.open(lab.start()).join("lab")
    warning = page.panel.get_by_role("alert").filter(has_text="in memory only")
    expect(warning).to_contain_text("tries again by itself")
    page.emit("in memory", "1")
    expect(page.events).to_have_count(1)

    (lab.data / "rtmsg").unlink()
    wait_until(lambda: lab.status()["log"]["durable"], "the log is made")
    expect(warning).to_have_count(0)
    page.emit("kept", "2")
    expect(page.events).to_have_count(2)

    lab.kill()
    expect(page.state).to_have_text("Offline")
    expect(page.emit_button).to_be_disabled()
    lab.start()
    expect(page.state).to_have_text("Connected")
    page.emit("after the crash", "3")
    expect(page.events).to_contain_text(["in memory", "kept", "after the crash"])
    expect(page.events).to_have_count(3)


def test_without_the_server_extension_it_says_what_to_do(lab: JupyterServer, new_page: LabPage) -> None:
    # The server answers as it does where no extension is.
    new_page.page.route(
        "**/rtmsg/api/**", lambda route: route.continue_(url=route.request.url.replace("rtmsg", "none"))
    )
    new_page.open(lab)
    expect(new_page.state).to_have_text("Not available")
    expect(new_page.panel).to_contain_text("jupyter server extension list")
