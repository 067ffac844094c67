"""Every test that docs/protocol.md names is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
ROWS = [line for line in TEXT.splitlines() if line.startswith("| ") and not line.startswith(("| elsewhere", "| adv"))]


@pytest.mark.parametrize(("path", "name"), sorted(set(re.findall(r"`([\w/]+\.py)::(\w+)`", TEXT))))
def test_a_test_that_is_named_is_there(path: str, name: str) -> None:
    tests = re.findall(r"^(?:async )?def (\w+)", (ROOT / "tests" / path).read_text(encoding="utf-8"), re.MULTILINE)
    assert name in tests


def test_every_row_names_a_test() -> None:
    assert len(ROWS) > 30
    for row in ROWS:
        assert re.search(r"`[\w/]+\.py::\w+`", row.split("|")[3]), row
