"""The blocks of docs/payloads.md run, in their order."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from support.hub import TOKEN, HubServer

import jupyter_rtmsg as rt
from jupyter_rtmsg.payloads import registry

_TEXT = (Path(__file__).parents[2] / "docs" / "payloads.md").read_text(encoding="utf-8")


def test_every_block_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(registry, "_by_name", {})
    monkeypatch.setattr(registry, "_by_class", {})
    with HubServer() as server, rt.Client(server.url, TOKEN).connect() as client:
        names: dict[str, Any] = {"lab": client.join("lab"), "__name__": "__main__"}
        for block in re.findall(r"```python\n(.*?)```", _TEXT, re.DOTALL):
            exec(block, names)
    said = capsys.readouterr().out
    assert "<class 'numpy.ndarray'>" in said
    assert "DataFrame'>" in said
    assert "Metric(loss=0.12, weights=array([1., 1., 1.]))" in said
