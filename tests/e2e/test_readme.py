"""README's five lines, run in README's order by a reader with two notebooks."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import pytest
from support import neighbours
from support.jupyter import JupyterServer, wait_until
from support.notebook import Notebook

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.fixture(scope="module", params=[Path(sys.executable), neighbours.PYTHON], ids=["ipykernel 7", "ipykernel 6"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    config = neighbours.extensions() if request.param == neighbours.PYTHON else {}
    with JupyterServer(tmp_path_factory.mktemp("jupyter"), python=request.param, config=config) as running:
        yield running


@pytest.fixture
def write(server: JupyterServer, tmp_path: Path) -> Iterator[Callable[..., Notebook]]:
    """Return what makes an open notebook of cells, whose ids are their keys."""
    made: list[Notebook] = []

    def write(name: str, **cells: str) -> Notebook:
        code = [nbformat.v4.new_code_cell(source, id=id) for id, source in cells.items()]
        nbformat.write(nbformat.v4.new_notebook(cells=code), tmp_path / name)
        made.append(Notebook(server, tmp_path / name))
        return made[-1]

    yield write
    for notebook in made:
        notebook.close()


@pytest.mark.timeout(300)
def test_the_second_notebook_gets_the_event_of_the_first_and_later_the_missed_ones(
    write: Callable[..., Notebook],
) -> None:
    emits, joins, catches_up = BLOCKS
    first = write("first.ipynb", emits=emits, again='lab.emit("metric", {"loss": 0.11})')
    second = write("second.ipynb", joins=joins, card="lab", catches_up=catches_up)
    first.run("emits")
    assert first.shown("emits")[0].isdigit()
    second.run("joins")
    wait_until(
        lambda: second.printed("joins") == "first 0.12\n", "the first notebook's event is printed below the cell"
    )
    second.run("card")
    (card,) = second.shown("card", "text/html")
    for said in (
        "Room <bdi>lab</bdi></b>: connected",
        "first (you), second (you) [this one]",
        "metric",
        "0.12",
        "second.ipynb",
    ):
        assert said in card
    (text,) = second.shown("card")
    assert text.startswith("<Room 'lab': 2 members, newest event 1")
    wait_until(lambda: second.value("lab.lag") == 0, "what was printed is acknowledged")

    second.kill()
    first.run("again")
    second.restart()
    second.run("catches_up")
    (table,) = second.shown("catches_up", "text/html")
    assert ("0.11" in table, "0.12" in table, table.count("<tr>")) == (True, False, 2)
