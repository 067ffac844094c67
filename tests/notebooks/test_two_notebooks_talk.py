"""The first two notebooks, run as a reader runs them: in kernels of a real Jupyter server."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.jupyter import JupyterServer, wait_until
from support.notebook import Notebook

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
TRAINING = ["join", "model", "train", "first-epochs"]
PNG = b"\x89PNG"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    with JupyterServer(tmp_path_factory.mktemp("jupyter")) as running:
        yield running


@pytest.fixture
def trainer(server: JupyterServer) -> Iterator[Notebook]:
    notebook = Notebook(server, NOTEBOOKS / "01-train.ipynb")
    yield notebook
    notebook.close()


@pytest.fixture
def partner(server: JupyterServer) -> Iterator[Notebook]:
    notebook = Notebook(server, NOTEBOOKS / "01-listen.ipynb")
    yield notebook
    notebook.close()


@pytest.mark.timeout(300)
def test_the_partner_gets_events_while_it_computes_and_the_missed_ones_when_it_is_back(
    trainer: Notebook, partner: Notebook
) -> None:
    _run_both(trainer, partner)
    _check_that_all_was_heard(trainer, partner)
    last_seen = partner.value("lab.head")
    partner.kill()
    trainer.run("more-epochs")
    partner.restart()
    _check_what_was_missed(partner, trainer.value(f"[event.seq for event in lab.history(after={last_seen})]"))
    _check_that_it_is_handled(partner)
    trainer.run("history")
    assert "60" in trainer.shown("history")[0]
    trainer.run("card")
    card = trainer.shown("card", "text/html")[0]  # for a moment it has the killed kernel, too, as one that is away
    for words in ("Here now: ", "01-train (you) [this one]", "01-listen (you)"):
        assert words in card


def _run_both(trainer: Notebook, partner: Notebook) -> None:
    with ThreadPoolExecutor() as threads:
        listening = threads.submit(partner.run_all)
        wait_until(lambda: partner.running == "own", "the partner is busy with a computation of its own")
        for cell in TRAINING:
            trainer.run(cell)
        listening.result()


def _check_that_all_was_heard(trainer: Notebook, partner: Notebook) -> None:
    wait_until(lambda: partner.value("lab.lag") == 0, "the partner has handled everything")
    assert partner.value("list(epochs)") == list(range(1, 41))
    assert partner.value("epochs[40]['accuracy']") > 0.9
    drawn_meanwhile = partner.during("own", "update_display_data")
    assert len([picture for picture in drawn_meanwhile if _is_png(picture)]) >= 2
    assert "π is 3.1" in partner.printed("own")
    assert "No events" in partner.shown("missed", "text/html")[0]
    assert partner.shown("replay") == ["0"]
    assert trainer.shown("join") == ["<2 members: 01-listen (you), 01-train (you) [this one]>"]
    assert "01-train (you) [this one]" in trainer.shown("join", "text/html")[0]


def _check_what_was_missed(partner: Notebook, between: list[int]) -> None:
    partner.run("join")
    partner.run("missed")
    missed = partner.value("[[event.seq, event.name, event.data.get('epoch')] for event in missed]")
    assert [epoch for _, name, epoch in missed if name == "epoch"] == list(range(41, 61))
    assert [name for _, name, _ in missed if name != "epoch"] == ["confusion"] * 4
    assert [seq for seq, _, _ in missed] == between
    table = partner.shown("missed", "text/html")[0]
    assert table.count("<tr>") == 1 + len(missed)
    assert "800 bytes" in table


def _check_that_it_is_handled(partner: Notebook) -> None:
    """The notebook's functions get what was missed by themselves, and again on demand."""
    partner.run("draw")
    wait_until(lambda: partner.value("list(epochs)") == list(range(41, 61)), "the functions were called for them")
    wait_until(lambda: any(map(_is_png, partner.messages_of("draw", "update_display_data"))), "they are drawn")
    partner.value("epochs.clear()")
    partner.run("replay")
    assert partner.shown("replay") == ["24"]
    assert partner.value("list(epochs)") == list(range(41, 61))
    partner.run("view")
    assert "application/vnd.jupyter.widget-view+json" in partner.media("view")
    partner.run("history")
    assert partner.shown("history", "text/html")[0].count("<tr>") == 6


def _is_png(message: dict[str, dict[str, dict[str, str]]]) -> bool:
    return base64.b64decode(message["content"]["data"].get("image/png", "")).startswith(PNG)


def test_every_cell_of_a_notebook_was_run_here() -> None:
    """A cell that is added must find its place in the test above."""
    assert list(Notebook.cells_of(NOTEBOOKS / "01-train.ipynb")) == [*TRAINING, "more-epochs", "history", "card"]


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_notebooks_are_kept_without_outputs(path: Path) -> None:
    cells = Notebook.read(path)
    assert [cell["id"] for cell in cells if cell.get("outputs") or cell.get("execution_count")] == []


def test_their_names_differ_where_a_tab_cuts_them() -> None:
    names = [path.name[:14] for path in NOTEBOOKS.glob("*.ipynb")]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_run_all_ends_in_a_cell_that_shows_something(path: Path) -> None:
    last = Notebook.read(path)[-1]
    assert (last["cell_type"], last["id"]) in {("code", "own"), ("code", "card")}
