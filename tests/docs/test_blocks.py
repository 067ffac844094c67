"""Every block of code in README.md and docs/ is run by a test, or says why it is not."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.hub import TOKEN, HubServer

import jupyter_rtmsg as rt

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(
    r"^(?P<reason><!-- not run: [^\n]+ -->\n)?```(?P<language>[a-z]+)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL
)
RUN = {
    ("README.md", "python"): "tests/e2e/test_readme.py",
    ("README.md", "js"): "tests/docs/test_blocks.py",
    ("docs/cheatsheet.md", "python"): "tests/docs/test_cheatsheet.py",
    ("docs/client.md", "python"): "tests/rooms/test_docs.py",
    ("docs/debugging.md", "python"): "tests/docs/test_debugging.py",
    ("docs/deploy-server.md", "nginx"): "tests/docs/test_deploy_server.py",
    ("docs/deploy-server.md", "python"): "tests/docs/test_deploy_server.py",
    ("docs/export.md", "python"): "tests/docs/test_blocks.py",
    ("docs/first-steps.md", "python"): "tests/docs/test_first_steps.py",  # the README's
    ("docs/index.md", "python"): "tests/docs/test_first_steps.py",
    ("docs/payloads.md", "python"): "tests/docs/test_payloads.py",
    ("docs/queues.md", "python"): "tests/docs/test_queues.py",
    ("docs/server.md", "python"): "tests/docs/test_server.py",
    ("docs/widgets.md", "python"): "tests/docs/test_blocks.py",
    ("docs/wire.md", "js"): "tests/docs/test_blocks.py",
}
"""The test that runs the blocks of a page in a language."""


def blocks() -> Iterator[tuple[str, re.Match[str]]]:
    """Give each block of each page that has a language."""
    for page in PAGES:
        for match in BLOCK.finditer(page.read_text(encoding="utf-8")):
            yield str(page.relative_to(ROOT)), match


def code(page: str, language: str) -> str:
    """Return the only block of a page in a language."""
    (block,) = [match["code"] for name, match in blocks() if (name, match["language"]) == (page, language)]
    return block


def test_every_block_is_run_or_says_why_not() -> None:
    without = {(page, match["language"]) for page, match in blocks() if not match["reason"]} - RUN.keys()
    assert without == set()


@pytest.mark.parametrize("kind", sorted(RUN), ids=" ".join)
def test_the_test_that_runs_a_block_is_there(kind: tuple[str, str]) -> None:
    page, _ = kind
    assert any((name, match["language"]) == kind for name, match in blocks()), "the page has no such block"
    assert Path(page).name in (ROOT / RUN[kind]).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def hub() -> Iterator[HubServer]:
    with HubServer() as server:
        yield server


def test_the_widgets_of_the_page_are_made(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RTMSG_URL", hub.url)
    monkeypatch.setenv("RTMSG_TOKEN", TOKEN)
    with rt.connect() as client:
        names: dict[str, Any] = {"rt": rt, "hub": client, "lab": client.join("lab")}
        for page, match in blocks():
            if (page, match["language"], match["reason"]) == ("docs/widgets.md", "python", None):
                exec(match["code"], names)


def test_the_exports_of_the_page_are_written(hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with rt.Client(hub.url, TOKEN).connect() as client:
        names: dict[str, Any] = {"lab": client.join("exported"), "rt": rt}
        names["lab"].emit("metric", {"loss": 0.5})
        exec(code("docs/export.md", "python"), names)
    assert names["frame"]["loss"].tolist() == [0.5]
    assert (tmp_path / "lab.csv").exists()


# The blocks begin with a URL and a token, or take them for granted, and leave the client connected.
BEFORE = 'import {{ io }} from "socket.io-client";\nconst url = "{url}", token = "{token}";\n'
AFTER = """
let heard = false;
socket.on("metric", () => { heard = true; });
await socket.emitWithAck("publish", {room: "lab", event: "metric", data: {loss: 0.13}});
while (!heard) await new Promise((resolve) => setTimeout(resolve, 10));
socket.disconnect();
"""


@pytest.mark.parametrize("page", ["README.md", "docs/wire.md"])
def test_the_javascript_of_a_page_joins_publishes_and_hears(page: str, hub: HubServer, tmp_path: Path) -> None:
    block = code(page, "js").replace('import { io } from "socket.io-client";\n', "")
    block = block.replace("http://localhost:8888", hub.url)
    script = tmp_path / "block.mjs"
    script.write_text(BEFORE.format(url=hub.url, token=TOKEN) + block + AFTER, encoding="utf-8")
    (tmp_path / "node_modules").symlink_to(ROOT / "tests" / "interop" / "node_modules")
    ran = subprocess.run(["node", script], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert ran.stderr == ""
    assert "0.13" in ran.stdout
