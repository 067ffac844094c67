"""Files and classes that the documentation names are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "jupyter_rtmsg"
HISTORY = {"0036-a-house.md"}
"""Pages that show code of earlier versions."""
PAGES = [page for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))] if page.name not in HISTORY]
FOLDERS = "|".join(sorted(path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name.isidentifier()))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_file_that_is_named_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    in_package = set(re.findall(rf"`(?:jupyter_rtmsg/)?((?:{FOLDERS})/[\w/]+\.py)`", text))
    elsewhere = set(
        re.findall(r"`((?:benchmarks|docs|labextension|tests|tools|_build)/[\w/.-]+\.\w+)(?:::\w+)?`", text)
    )
    # Rows of tables name tests below `tests/`, which test_protocol.py and test_supply_chain.py look for.
    gone = {name for name in in_package if not (PACKAGE / name).exists() and not (ROOT / "tests" / name).exists()}
    gone |= {name for name in elsewhere if not (ROOT / name).exists()}
    assert gone == set()


def test_every_class_that_the_architecture_names_is_there() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    owners = text[text.index("## Who owns what") : text.index("## Seams")]
    named = set(re.findall(r"`([A-Z]\w+)`", owners))
    sources = "\n".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))
    assert len(named) > 15
    assert {name for name in named if f"class {name}" not in sources} == set()
