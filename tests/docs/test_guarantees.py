"""docs/guarantees.md promises nothing without a test that is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def promises() -> list[str]:
    """Return the rows of the tables, without their heads."""
    rows = [line for line in (ROOT / "docs" / "guarantees.md").read_text().splitlines() if line.startswith("|")]
    return [row for row in rows if not row.startswith(("|---", "| promise |"))]


def names_in(path: Path) -> set[str]:
    """Return the names of the functions of a file."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, functions)}


@pytest.mark.parametrize("promise", promises())
def test_every_promise_names_a_test_that_is_there(promise: str) -> None:
    named = _TEST.findall(promise)
    assert named
    for path, test in named:
        assert test in names_in(ROOT / path)
