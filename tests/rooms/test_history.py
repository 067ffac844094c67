from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_rtmsg import Event, Events, Sender


def event(seq: int = 1, data: Any = None, name: str = "n", user: str = "alice", sender: Sender | None = None) -> Event:
    return Event(
        "lab", name, data, seq, seq - 1, 1_700_000_000_000 + seq, sender or Sender(user, "script", user, "m"), n=seq
    )


class Tags(HTMLParser):
    """Collects the tags and the text of a document."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert attrs in ([], [("style", "text-align: left"), ("dir", "auto")])

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_it_is_a_sequence() -> None:
    events = Events(event(n, n * 10) for n in range(1, 6))
    assert len(events) == 5
    assert events[-1].seq == 5
    assert isinstance(events[1:3], Events)
    assert events[1:3].data == [20, 30]
    assert [one.seq for one in events] == [1, 2, 3, 4, 5]
    assert event(2, 20) in events
    assert events[:2] == Events(list(events)[:2])
    assert repr(events) == "<Events: 5, #1 to #5>"
    assert "none" in repr(events[:0])


@given(st.text(), st.text(), st.text())
def test_any_text_of_users_is_text_in_the_table(name: str, user: str, data: str) -> None:
    tags = Tags(Events([event(1, data, name, user)])._repr_html_())
    assert set(tags.tags) == {"table", "thead", "tbody", "tr", "th", "td"}
    assert tags.tags.count("td") == 5


def test_markup_is_shown_not_run() -> None:
    html = Events([event(1, "<script>alert(1)</script>", "<b>", "<i>")])._repr_html_()
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert "&lt;b&gt;" in html


def test_the_table_is_bounded_and_counts_the_omitted_rows() -> None:
    html = Events(event(n, "x" * 10_000) for n in range(1, 251))._repr_html_()
    assert html.count("<tr>") == 101
    assert "The first 150 of 250" in html
    assert len(html) < 60_000


def test_no_events_are_shown_as_none() -> None:
    assert "No events" in Events()._repr_html_()


def test_a_frame_has_a_column_per_key() -> None:
    frame = Events([event(1, {"loss": 0.5, "user": "mine"}), event(2, {"loss": 0.25}), event(3, 7)]).to_pandas()
    assert list(frame.index) == [1, 2, 3]
    assert frame["loss"].tolist()[:2] == [0.5, 0.25]
    assert frame["data.user"][1] == "mine"
    assert frame["user"].tolist() == ["alice"] * 3
    assert frame["data"][3] == 7
    assert isinstance(frame["time"].dtype, pandas.DatetimeTZDtype)


def test_a_frame_has_the_sender_of_each_event() -> None:
    sender = Sender("alice", "kernel", "train", "m", "lab/train.ipynb")
    frame = Events([event(1, {"loss": 0.5, "sender": "mine"}, sender=sender), event(2)]).to_pandas()
    assert frame["sender"].tolist() == ["train", "alice"]
    assert frame["user"].tolist() == ["alice", "alice"]
    assert (frame["notebook"][1], bool(frame["notebook"].isna()[2])) == ("lab/train.ipynb", True)
    assert frame["data.sender"][1] == "mine"


def test_the_table_calls_senders_by_name_and_tells_notebooks_of_one_name_apart() -> None:
    senders = [Sender("alice", "kernel", "hw1", f"m{n}", f"{folder}/hw1.ipynb") for n, folder in enumerate("ab")]
    events = [event(n, sender=sender) for n, sender in enumerate([*senders, Sender("bob", "script", "fetch", "m")])]
    html = Events(events, you="alice")[:]._repr_html_()
    for name in ("a/hw1 (you)", "b/hw1 (you)", "fetch (bob)"):
        assert f">{name}<" in html


def test_an_empty_frame_has_its_columns() -> None:
    assert list(Events().to_pandas().columns) == ["time", "event", "sender", "user", "notebook", "data"]


def test_without_pandas_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(ImportError, match="pip install pandas"):
        Events().to_pandas()
