"""The built bundles: each widget is one file, and not a large one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import jupyter_rtmsg.widgets

STATIC = Path(jupyter_rtmsg.widgets.__file__).parent / "static"
SOURCE_MAP = re.compile(r"^//# sourceMappingURL=.*$", re.MULTILINE)


@pytest.mark.parametrize("name", ["dashboard", "form", "missed", "queue", "room"])
def test_a_widget_is_one_file_of_at_most_200_kb(name: str) -> None:
    text = SOURCE_MAP.sub("", (STATIC / f"{name}.js").read_text("utf-8"))
    assert len(text.encode()) <= 200_000
    assert not re.search(r"""^\s*import\b|\bimport\s*\(""", text, re.MULTILINE)
    assert "@import" not in (STATIC / f"{name}.css").read_text("utf-8")
