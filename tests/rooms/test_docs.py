"""docs/client.md runs from its first line to its last."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.hub import TOKEN, HubServer

from jupyter_rtmsg import Room, Socket
from jupyter_rtmsg.client import processes

_TEXT = (Path(__file__).parents[2] / "docs" / "client.md").read_text(encoding="utf-8")


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with HubServer() as server:
        monkeypatch.setenv("RTMSG_URL", server.url)
        monkeypatch.setenv("RTMSG_TOKEN", TOKEN)
        yield
        processes.close_all()


def test_every_block_runs(environment: None, capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"```python\n(.*?)```", _TEXT, re.DOTALL)
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks:
        exec(block, names)
    asyncio.run(names["main"]())
    asyncio.run(names["plain"]())
    asyncio.run(names["packed"]())
    assert names["seq"] == 1
    assert names["losses"] == [0.12]
    said = capsys.readouterr()
    assert said.err == ""
    assert "{'loss': 0.1}" in said.out
    assert "sent ('sum', 1, 2)\n3\n" in said.out
    assert "hello Ada" in said.out
    assert "sent ('kept', 1)" in said.out
    assert "{'raw': b'\\x00\\x01', 'when': datetime.datetime(2024, 2, 29, 0, 0, tzinfo=" in said.out


def test_every_method_of_the_plain_client_is_told() -> None:
    text = _TEXT.partition("## Without rooms")[2].partition("\n## ")[0]
    others = {"on_state", "off_state", "state", "max_payload", "descriptors", "namespace"}  # told elsewhere, or plain
    names = {name for kind in Socket.__mro__ for name in vars(kind) if not name.startswith("_")}
    outgoing = {name for name in names if name.endswith("_outgoing")}
    for name in names - others - outgoing:
        assert f"`{name}" in text or f".{name}" in text, name


def test_every_method_of_a_room_is_told() -> None:
    for name in vars(Room):
        assert name.startswith("_") or f"room.{name}" in _TEXT or f"lab.{name}" in _TEXT, name
