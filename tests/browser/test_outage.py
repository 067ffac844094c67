"""The panel when the hub is gone, comes back, or was never there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser.conftest import make_lab
from browser.labpage import LabPage
from playwright.sync_api import expect
from support.jupyter import JupyterServer


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[JupyterServer]:
    """Return a running JupyterLab that the test may kill."""
    with make_lab(tmp_path / "lab") as lab:
        yield lab


def test_after_a_crash_of_the_server_the_panel_goes_on_where_it_was(mortal: JupyterServer, page: LabPage) -> None:
    page.open(mortal).join("lab")
    page.emit("before", "1")
    expect(page.events).to_have_count(1)
    mortal.kill()
    expect(page.state).to_have_text("Offline")
    expect(page.emit_button).to_be_disabled()
    mortal.start()
    expect(page.state).to_have_text("Connected")
    page.emit("after", "2")
    expect(page.events).to_have_count(2)
    expect(page.events).to_contain_text(["before", "after"])


def test_without_the_server_extension_it_says_what_to_do(tmp_path: Path, page: LabPage) -> None:
    off = {"jpserver_extensions": {"jupyter_rtmsg": False}}
    with make_lab(tmp_path / "lab", ServerApp=off) as lab:
        page.open(lab)
        expect(page.state).to_have_text("Not available")
        expect(page.panel).to_contain_text("jupyter server extension list")


def test_a_log_that_is_not_durable_is_warned_of(tmp_path: Path, page: LabPage) -> None:
    lab = make_lab(tmp_path / "lab")
    # A file where the folder should be: nobody can write there, not even root.
    (lab.data / "rtmsg").write_text("")
    with lab:
        page.open(lab)
        expect(page.state).to_have_text("Connected")
        expect(page.panel.get_by_role("alert")).not_to_be_empty()
