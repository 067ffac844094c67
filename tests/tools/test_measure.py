"""The table of the figures, their bounds, and the walk of an event."""

from __future__ import annotations

from pathlib import Path

import figures
import measure
import pytest
from figures import Figure


def test_a_figure_out_of_its_bounds_fails_the_check_and_names_the_places(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(measure.BOUNDS, "files of the walk", (1, 2))
    assert measure.check([Figure("files of the walk", 2, ["a.py", "b.py"])]) == 0
    assert measure.check([Figure("files of the walk", 3, ["a.py", "b.py", "c.py"])]) == 1
    said = capsys.readouterr().err
    assert "files of the walk: 3, and it should be 1 to 2" in said
    assert "c.py" in said


def test_the_table_has_a_column_for_each_package() -> None:
    least, most = (f"{bound:g}" for bound in measure.BOUNDS["files"])
    ours, peer = [Figure("files", 1_234), Figure("a share", 0.125)], [Figure("files", 5)]
    assert measure.table({"ours": ours, "peer": peer}).splitlines() == [
        "|         | ours  | peer | bounds   |",
        "| ------- | ----- | ---- | -------- |",
        "| files   | 1,234 | 5    | " + f"{least} to {most} |",
        "| a share | 0.12  |      |          |",
    ]


def test_every_bound_belongs_to_a_figure(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("a = 1\n")
    names = {figure.name for figure in figures.measure(tmp_path)} | {"files of the walk"}
    names.add(figures.comments_in([], []).name)
    assert set(measure.BOUNDS) <= names


@pytest.mark.timeout(60)
def test_the_walk_leads_from_one_client_through_server_log_and_hub_to_the_other() -> None:
    files, functions = measure.walk(measure.ROOT)
    parts = {place.split("/")[1] for place in files.places}
    assert {"client", "server", "hub", "log", "wire"} <= parts
    assert 10 < files.value < functions.value
