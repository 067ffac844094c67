"""Who is speaking, as people see it: in the panel and in a notebook's view."""

from __future__ import annotations

import asyncio
import getpass
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from playwright.sync_api import Browser, expect
from support.jupyter import JupyterServer

from browser.conftest import MakeLab, SharedPage
from browser.labpage import LabPage
from jupyter_rtmsg.log import Draft, open_log

YOU = f"{getpass.getuser()} (you)"
EMIT = "import jupyter_rtmsg as rt; lab = rt.connect().join('homework'); lab.emit('done', {'points': 3})"
VIEW = "from jupyter_rtmsg.widgets import RoomView\nimport jupyter_rtmsg as rt\nRoomView(rt.connect().join('homework'))"


def notebook(*cells: str) -> str:
    code = [
        {"cell_type": "code", "id": f"c{n}", "metadata": {}, "outputs": [], "execution_count": None, "source": cell}
        for n, cell in enumerate(cells)
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return json.dumps({"cells": code, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5})


async def write_old(url: str) -> None:
    log = await open_log(url)
    sender = b'{"user":"token:kernel","kind":"kernel","member":"37403b5b4052eb2c"}'
    await log.append(Draft("homework", "done", b"1", sender=sender, user="token:kernel"))
    await log.close()


@pytest.fixture(scope="module")
def homework(make_lab: MakeLab) -> JupyterServer:
    """Return a server where two notebooks called `hw1` and a script have spoken, and have gone.

    Before all of them, a kernel has spoken to version 0.1.0.
    """
    lab = make_lab()
    old = write_old(f"sqlite:///{lab.data / 'rtmsg' / 'log.sqlite3'}")
    with ThreadPoolExecutor() as thread:  # this thread has the loop of Playwright
        thread.submit(asyncio.run, old).result()
    lab.start()
    for folder in ("ann", "bob"):
        (lab.root / folder).mkdir()
        (lab.root / folder / "hw1.ipynb").write_text(notebook())
        kernel = lab.start_kernel(f"{folder}/hw1.ipynb")
        lab.execute(kernel, EMIT)
        assert lab.request("DELETE", f"api/kernels/{kernel}").status == 204
    script = EMIT.replace("connect()", f"connect({lab.url!r}, {lab.token!r}, name='fetch')")
    kernel = lab.start_kernel()
    lab.execute(kernel, f"import subprocess, sys; subprocess.run([sys.executable, '-c', {script!r}], check=True)")
    assert lab.request("DELETE", f"api/kernels/{kernel}").status == 204
    return lab


@pytest.fixture(scope="module")
def _names_page(browser: Browser) -> Iterator[SharedPage]:
    shared = SharedPage(browser)
    yield shared
    shared.close()


@pytest.fixture
def page(_names_page: SharedPage, request: pytest.FixtureRequest) -> Iterator[LabPage]:
    """Return a page for the tests on this server."""
    with _names_page.lent(request) as page:
        yield page


SENDERS = ["token:kernel", "ann/hw1 (you)", "bob/hw1 (you)", "fetch (you)"]


def test_the_panel_shows_departed_members_by_their_last_names(homework: JupyterServer, page: LabPage) -> None:
    page.open(homework).join("homework")
    expect(page.events.locator(".jp-RtmsgRoomView-sender")).to_have_text(SENDERS)
    expect(page.members.get_by_role("listitem")).to_have_text([YOU])
    page.emit("seen")
    expect(page.events.locator(".jp-RtmsgRoomView-sender").last).to_have_text(YOU)


def test_a_view_in_a_notebook_calls_them_the_same(homework: JupyterServer, page: LabPage) -> None:
    (homework.root / "look.ipynb").write_text(notebook(VIEW))
    page.open(homework, "look.ipynb").join("homework")
    page.run_all_cells()
    view = page.page.locator(".jp-Notebook .jp-RtmsgRoomView")
    expect(view.get_by_role("list", name="Members").get_by_role("listitem")).to_have_text([YOU, "look (you)"])
    expect(view.locator(".jp-RtmsgRoomView-sender").nth(3)).to_have_text(SENDERS[3])
    for number, sender in enumerate(SENDERS):
        expect(view.locator(".jp-RtmsgRoomView-sender").nth(number)).to_have_text(sender)
    expect(page.members.get_by_role("listitem")).to_have_text([YOU, "look (you)"])
