"""What a run of the tests spent its time on: the folders, and how long each worker was busy."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest


class Durations:
    """Adds up the durations of all tests, and prints them when the run ends."""

    def __init__(self) -> None:
        self._folders: Counter[str] = Counter()
        self._tests: Counter[str] = Counter()
        self._workers: dict[str, list[float]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        folder = report.nodeid.split("::")[0].rpartition("/")[0]
        self._folders[folder] += report.duration  # type: ignore[assignment]
        self._tests[folder] += report.when == "call"
        times = self._workers.setdefault(getattr(report, "worker_id", "one"), [report.start, 0.0])
        times[1] = max(times[1], report.stop)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if len(self._folders) < 2:
            return
        terminalreporter.section("durations by folder")
        for folder, seconds in self._folders.most_common():
            terminalreporter.write_line(f"{seconds:7.1f}s {folder} ({self._tests[folder]} tests)")
        begin = min((start for start, _ in self._workers.values()), default=0.0)
        for worker, (_, stop) in sorted(self._workers.items()):
            terminalreporter.write_line(f"{stop - begin:7.1f}s until worker {worker} had no more to do")
