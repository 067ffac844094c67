"""The benchmark of worker groups: it measures what is here, and says what is not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "groups.py"


def test_a_group_is_measured_beside_a_listener_and_the_other_queues_that_are_here(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    options = ["--events", "100", "--workers", "1", "--in-flight", "10", "--redis", "--jetstream"]
    command = [sys.executable, str(SCRIPT), *options, "--json", str(figures)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stderr
    result = json.loads(figures.read_text())
    measured = {"listener before 10", "group 10"}
    for name in ("redis", "jetstream"):
        if f"{name}: left out" not in done.stdout:
            measured.add(f"{name} 10")
    assert set(result) == measured
    assert all(figures["rate"] > 0 for figures in result.values())
