"""Node's server and ours behave alike, but where differences.py says otherwise and why."""

from __future__ import annotations

import pytest
from parity.comparison import Behaviour, between_markers, documents, run_both
from parity.differences import DIFFERENCES

Seen = tuple[dict[str, Behaviour], dict[str, Behaviour]]


@pytest.fixture(scope="module")
def seen() -> Seen:
    """Try all behaviours, once."""
    return run_both()


def test_every_behaviour_could_be_seen_with_both_servers(seen: Seen) -> None:
    node, ours = seen
    assert node.keys() == ours.keys()
    assert len(node) > 400
    assert {each.id: each.failed for run in seen for each in run.values() if each.failed} == {}


def test_nodes_server_behaves_as_documented(seen: Seen) -> None:
    node, _ = seen
    assert {each.id: each.saw for each in node.values() if each.saw != each.gives} == {}


def test_our_server_does_the_same_but_where_a_difference_is_told(seen: Seen) -> None:
    _, ours = seen
    unexpected = {each.id: each.saw for each in ours.values() if each.id not in DIFFERENCES and each.saw != each.gives}
    assert unexpected == {}


def test_each_difference_that_is_told_is_there(seen: Seen) -> None:
    _, ours = seen
    assert DIFFERENCES.keys() - ours.keys() == set()
    assert {id: ours[id].saw for id, told in DIFFERENCES.items() if ours[id].saw != told.saw} == {}
    assert [id for id, told in DIFFERENCES.items() if told.saw == ours[id].gives] == []


def test_the_documents_have_the_tables_of_this_run(seen: Seen) -> None:
    node, _ = seen
    for path, text in documents(node.values(), DIFFERENCES):
        assert between_markers(path)[1] == text, f"{path} is not up to date: python tests/parity/comparison.py"
