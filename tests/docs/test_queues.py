"""docs/queues.md runs from its first line to its last."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from support.hub import TOKEN, HubServer
from support.patience import eventually

from jupyter_rtmsg.client import processes

_TEXT = (Path(__file__).parents[2] / "docs" / "queues.md").read_text(encoding="utf-8")


def test_every_block_runs_and_the_events_are_handled(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with HubServer() as server:
        monkeypatch.setenv("RTMSG_URL", server.url)
        monkeypatch.setenv("RTMSG_TOKEN", TOKEN)
        names: dict[str, Any] = {"__name__": "__main__"}
        for block in re.findall(r"```python\n(.*?)```", _TEXT, re.DOTALL):
            exec(block, names)
        lab = names["lab"]
        lab.emit("order.new", {"user": "ada"})
        lab.emit("train", {"epochs": 2})
        printed = ""

        def said(text: str) -> bool:
            nonlocal printed
            printed += capsys.readouterr().out
            return text in printed

        for text in ("resized a.png", "No dead letters.", "ada order.new", "epoch 1", "resize"):
            eventually(lambda text=text: said(text))
        eventually(lambda: [event.data["path"] for event in lab.history(event="size")] == ["a.png"])
        assert lab.group("upload").info.delayed == 1
        processes.close_all()
