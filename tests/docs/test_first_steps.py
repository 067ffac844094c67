"""docs/first-steps.md tells what README's reader sees, and our own messages as they are."""

from __future__ import annotations

import re
from pathlib import Path

import install
import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "first-steps.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)


@pytest.mark.parametrize("name", ["first-steps.md", "index.md"])
def test_its_notebooks_are_those_of_the_readme(name: str) -> None:
    readme = BLOCK.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    assert BLOCK.findall((ROOT / "docs" / name).read_text(encoding="utf-8")) == readme[:2]


def test_the_output_of_make_run_is_quoted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # without Node.js
    monkeypatch.setattr(install.assets, "ASSETS", tmp_path)  # and nothing was built
    assert f"`{install.announce()}`" in PAGE


def test_its_pictures_and_pages_are_there() -> None:
    for target in re.findall(r"\]\(([\w/.-]+)", PAGE):
        assert (ROOT / "docs" / target).exists(), target
