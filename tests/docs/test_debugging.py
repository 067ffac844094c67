"""The code of docs/debugging.md shows what the page says."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import pytest
from support.hub import TOKEN, HubServer

import jupyter_rtmsg as rt
from jupyter_rtmsg.wire.websocket import FrameParser

PAGE = Path(__file__).parents[2] / "docs" / "debugging.md"
BLOCKS = re.findall(r"(?<!-->\n)^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_events_and_frames_are_printed(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(FrameParser, "feed", FrameParser.feed)  # what the page replaces is put back
    monkeypatch.setattr(logging.getLogger("jupyter_rtmsg"), "level", logging.NOTSET)
    with HubServer() as server:
        monkeypatch.setenv("RTMSG_URL", server.url)
        monkeypatch.setenv("RTMSG_TOKEN", TOKEN)
        names: dict[str, Any] = {}
        for block in BLOCKS:
            exec(block, names)
        names["lab"].emit("metric", 0.5)
        names["hub"].close()
        with rt.connect() as hub:
            hub.join("lab").emit("metric", 0.5)
    shown = capfd.readouterr().out
    assert "connected connected 0" in shown
    assert "watched metric 1" in shown
    assert "received ('metric', 0.5" in shown
    assert '42["metric",0.5,' in shown
