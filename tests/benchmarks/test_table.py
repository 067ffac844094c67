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


def test_a_summary_tells_the_floors_of_ours_and_marks_what_does_not_hold_them() -> None:
    results = {
        "fan8": {"ours": {"delivered_per_s": 900}, "node": {"delivered_per_s": 300}},
        "ack1": {"ours": {"delivered_per_s": 299}, "node": {"delivered_per_s": 300}},
        "open": {"ours": {"delivered_per_s": 301}, "node": {"delivered_per_s": 300}},
        "idle": {"ours": {"error": "the server ended"}, "node": {"delivered_per_s": 300}},
    }
    floors = {work: table.Floor(1.0, work in ("open", "idle")) for work in results} | {"fan8": table.Floor(3.0)}
    head, *lines = table.summary(results, ["node", "ours"], lambda _: "delivered_per_s", "", floors).splitlines()[1:]
    assert head.endswith("floor of ours")
    assert [" ".join(line.split()[2:]) for line in lines] == [
        "3.00 >= 3",
        "1.00 >= 1 NOT HELD",
        "1.00 <= 1 NOT HELD",
        "- <= 1 NOT HELD",
    ]


def test_floors_are_told_only_beside_node() -> None:
    results = {"fan8": {"ours": {"acks_per_s": 9}, "bun": {"acks_per_s": 3}}}
    text = table.summary(results, ["bun", "ours"], lambda _: "acks_per_s", "", {"fan8": table.Floor(5.0)})
    assert "floor" not in text
    assert "NOT" not in text
