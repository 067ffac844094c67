"""How list-like results are shown, and what their DataFrame has."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

import pandas
import pytest

from jupyter_rtmsg.rooms.members import Member, MemberList
from jupyter_rtmsg.rooms.subscriptions import Subscription, Subscriptions
from jupyter_rtmsg.rooms.table import Displayed, Table

NOON = datetime(2026, 11, 27, 12, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Item:
    name: object
    at: datetime | None = None


def table(*, newest: bool = False) -> Table[Item]:
    return Table(
        ("name", "at"),
        lambda each: (each.name, each.at),
        fields=("name", "at"),
        times=("at",),
        empty="Nothing.",
        newest=newest,
    )


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    lines = table().text([Item("a"), Item("longer", NOON)]).splitlines()
    assert [line.rstrip() for line in lines] == ["name    at", "a", f"longer  {NOON.astimezone():%Y-%m-%d %H:%M:%S}"]


def test_chinese_characters_take_two_columns_and_accents_none() -> None:
    lines = table().text([Item("数据", NOON), Item("e\u0301", NOON), Item("long", NOON)]).splitlines()
    assert [line.index("2026") for line in lines[1:]] == [4, 7, 6]


def test_the_first_hundred_are_shown() -> None:
    items = [Item(f"n{number}") for number in range(1_200)]
    assert table().text(items).splitlines()[-1] == "... and 1,100 more"
    assert table().html(items).count("<tr>") == 101
    assert "<p>... and 1,100 more</p>" in table().html(items)


def test_of_events_the_last_hundred_are_shown() -> None:
    lines = table(newest=True).text([Item(f"n{number}") for number in range(150)]).splitlines()
    assert (lines[0], lines[-1].strip()) == ("The first 50 of 150 are not shown.", "n149")


def test_an_empty_table_says_so() -> None:
    assert (table().text([]), table().html([])) == ("Nothing.", "<p>Nothing.</p>")
    assert table().html([], "2 < 3") == "<p>2 &lt; 3</p><p>Nothing.</p>"


def test_text_of_users_is_escaped_and_cut() -> None:
    html = table().html([Item("<script>"), Item("a\u202eb"), Item(Displayed("\u2068שלום\u2069")), Item("x" * 10_000)])
    assert "&lt;script&gt;" in html
    assert "a\\u202eb" in html
    assert "\u2068שלום\u2069" in html
    assert "x" * 199 + "…<" in html
    assert table().text([Item("two\nlines")]).splitlines()[1:] == ["two\\nlines"]


def test_missing_and_yes() -> None:
    assert [line.strip() for line in table().text([Item(None), Item(True), Item(False), Item(0)]).splitlines()] == [
        "name  at",
        "",
        "yes",
        "",
        "0",
    ]


@pytest.mark.parametrize("items", [[], [Item("a")], [Item("a", NOON), Item("b")]])
def test_times_of_a_frame_are_in_utc_whatever_is_set(items: list[Item]) -> None:
    frame = table().to_pandas(items)
    assert list(frame.columns) == ["name", "at"]
    assert str(frame["at"].dtype.tz) == "UTC"


def test_subscriptions_and_members_are_frames_too() -> None:
    entry = Subscription("lab", "reader", "name", 3, 5, False, NOON, expires=NOON + timedelta(days=30))
    frame = Subscriptions([entry]).to_pandas()
    assert frame["state"].tolist() == ["idle"]
    assert frame["expires"][0] - frame["used"][0] == pandas.Timedelta(days=30)
    assert frame["ended"].isna().all()
    members = MemberList([Member("m", "alice", "kernel", "train")])
    assert members.to_pandas().loc[0, ["name", "user", "member"]].tolist() == ["train", "alice", "m"]


def test_without_pandas_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(ImportError, match="pip install pandas"):
        table().to_pandas([])
