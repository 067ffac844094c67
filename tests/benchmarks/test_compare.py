"""The benchmarks that others use run: the server beside Node's, under a load of C, with the floors told."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "compare.py"


@pytest.mark.needs_gcc
def test_servers_are_measured_side_by_side_and_those_that_cannot_run_are_left_out(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    options = ["--only", "fan8,ack1", "--repeat", "1", "--secs", "1", "--json", str(figures)]
    # compare.py looks for its Bun beside itself: there is none beside a copy.
    copy = tmp_path / "benchmarks"
    shutil.copytree(SCRIPT.parent, copy, ignore=shutil.ignore_patterns("node_modules", "results"))
    for folder in ("tests", "jupyter_rtmsg"):
        (tmp_path / folder).symlink_to(SCRIPT.parents[1] / folder)
    command = [sys.executable, str(copy / "compare.py"), *options, "bun", "node", "ours"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stderr
    assert "bun: left out, it needs a Bun that starts here" in done.stdout
    for cells in json.loads(figures.read_text())["table"].values():
        assert [*cells] == ["node", "ours"]
        assert all("error" not in cell for cell in cells.values()), cells
    assert "floor of ours" in done.stdout
