"""docs/protocol.md: every test that it names is there, and so is every rule that code and tests cite."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

HERE = Path(__file__)
ROOT = HERE.parents[2]
TEXT = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
DIFFERENCES = re.split(r"^## ", TEXT[TEXT.index("## Where we differ") + 3 :], flags=re.MULTILINE)[0]
ROWS = [line for line in DIFFERENCES.splitlines() if re.match(r"\| (?!elsewhere|adv)", line)]
ANCHORS = re.findall(r'^<a id="([\w-]+)"></a>$', TEXT, re.MULTILINE)


def sources() -> dict[Path, str]:
    """Return the texts in which rules may be cited."""
    paths = [*ROOT.glob("*.md"), *ROOT.glob("labextension/src/**/*.ts"), *ROOT.glob("tests/interop/*.js")]
    for folder in ("jupyter_rtmsg", "tests", "benchmarks", "_build", "docs"):
        paths += [path for kind in ("py", "md") for path in (ROOT / folder).rglob(f"*.{kind}")]
    return {
        path: path.read_text(encoding="utf-8") for path in paths if "node_modules" not in path.parts and path != HERE
    }


@pytest.mark.parametrize(("path", "name"), sorted(set(re.findall(r"`([\w/]+\.py)::(\w+)`", TEXT))))
def test_a_test_that_is_named_is_there(path: str, name: str) -> None:
    tests = re.findall(r"^(?:async )?def (\w+)", (ROOT / "tests" / path).read_text(encoding="utf-8"), re.MULTILINE)
    assert name in tests


def test_every_row_names_a_test() -> None:
    assert len(ROWS) > 30
    for row in ROWS:
        assert re.search(r"`[\w/]+\.py::\w+`", row.split("|")[3]), row


def test_every_rule_that_is_cited_is_there() -> None:
    assert len(ANCHORS) == len(set(ANCHORS)) > 15
    cited = {
        (str(path.relative_to(ROOT)), anchor)
        for path, text in sources().items()
        # A citation may go on: docs/protocol.md#one, #another.
        for first, more in re.findall(r"protocol\.md#([\w-]+)((?:(?:,| and) #[\w-]+)*)", text)
        for anchor in (first, *re.findall(r"#([\w-]+)", more))
    }
    assert cited
    assert {(path, anchor) for path, anchor in cited if anchor not in ANCHORS} == set()


def test_rules_are_cited_by_their_anchors_not_by_numbers() -> None:
    numbered = re.compile(r"(?<![\w.])PROTOCOL(['’]s| \d|: [A-Z])|of PROTOCOL\b")
    assert [str(path) for path, text in sources().items() if numbered.search(text)] == []
