"""What the benchmarks print is computed as it is told: medians, ratios, and a figure for each server and workload."""

from __future__ import annotations

import importlib.util
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "benchmarks" / "table.py"
SPEC = importlib.util.spec_from_file_location("benchmarks_table", SOURCE)
assert SPEC is not None
assert SPEC.loader is not None
table = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(table)


def test_a_median_is_that_of_the_runs_that_ended_well() -> None:
    runs = [{"acks_per_s": 30}, {"error": "refused"}, {"acks_per_s": 10}, {"acks_per_s": 20}]
    assert table.median(runs) == {"acks_per_s": 20}
    assert table.median([{"error": "refused"}]) == {"error": "refused"}


def test_a_summary_has_each_servers_multiple_of_nodes_in_each_workload() -> None:
    results = {
        "fan8": {"ours": {"delivered_per_s": 900}, "node": {"delivered_per_s": 300}},
        "open": {"ours": {"p99_us": 500}, "node": {"error": "the server ended"}},
    }
    figures = {"fan8": "delivered_per_s", "open": "p99_us"}
    lines = table.summary(results, ["ours", "node"], figures.__getitem__, "figures").splitlines()
    assert [line.split() for line in lines[1:]] == [["ours", "node"], ["fan8", "3.00", "1.00"], ["open", "-", "-"]]
