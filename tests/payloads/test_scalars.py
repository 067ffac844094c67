"""Times, Decimal, UUID and paths."""

from __future__ import annotations

import uuid
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.payloads import on_wire, refused, round_trip

from jupyter_rtmsg.errors import NotJSON, PayloadRefused
from jupyter_rtmsg.payloads import decode

_VALUES = st.one_of(
    st.datetimes(timezones=st.none() | st.timezones() | st.just(timezone.utc)),
    st.dates(),
    st.times(),
    st.timedeltas(),
    st.decimals(allow_nan=False),
    st.uuids(),
)


@settings(deadline=None, max_examples=300)
@given(_VALUES)
def test_every_value_comes_back_equal_and_of_its_class(value: Any) -> None:
    back = round_trip([value])[0]
    assert type(back) is type(value)
    assert back == value
    if isinstance(value, datetime):
        assert back.utcoffset() == value.utcoffset()


def test_a_datetime_keeps_its_zone_and_which_of_two_hours_it_is() -> None:
    zone = ZoneInfo("Europe/Berlin")
    for fold in (0, 1):
        value = datetime(2026, 10, 25, 2, 30, tzinfo=zone, fold=fold)
        back = round_trip(value)
        assert (back.tzinfo, back.fold, back.utcoffset()) == (zone, fold, value.utcoffset())
    assert round_trip(datetime(2026, 10, 25, 2, 30, fold=1)).fold == 1


def test_a_zone_that_is_not_known_here_leaves_the_offset() -> None:
    wire = {"$type": "datetime", "value": "2026-11-27T00:00:00+01:00", "zone": "Mars/Olympus"}
    for zone in ("Mars/Olympus", "../../etc/passwd", "/etc/passwd", "x" * 64):
        assert decode({**wire, "zone": zone}).utcoffset() == timedelta(hours=1)


@pytest.mark.parametrize(
    "value",
    [
        pd.Timestamp("2026-11-27 00:00:00.123456789", tz="Europe/Berlin"),
        pd.Timestamp("2026-11-27").as_unit("s"),
        pd.Timedelta(-5, "ns"),
        pd.Timedelta(5, "s").as_unit("ms"),
    ],
)
def test_times_of_pandas_keep_nanoseconds_and_unit(value: Any) -> None:
    back = round_trip(value)
    assert (type(back), back, back.unit) == (type(value), value, value.unit)


@pytest.mark.parametrize("value", [pd.NaT, pd.NA])
def test_what_is_missing_in_pandas_is_refused(value: Any) -> None:
    with pytest.raises(NotJSON, match="Send None"):
        on_wire({"a": value})


def test_a_path_keeps_its_form() -> None:
    for value in (Path("/a/b"), PurePosixPath("a"), PureWindowsPath("c:\\a")):
        assert type(round_trip(value)) is type(value)
        assert round_trip(value) == value


def test_plain_clients_read_them_as_text() -> None:
    data = {"at": datetime(2026, 11, 27, tzinfo=timezone.utc), "sum": Decimal("1.10"), "path": PurePosixPath("a/b")}
    assert on_wire(data) == {
        "at": {"$type": "datetime", "value": "2026-11-27T00:00:00+00:00"},
        "sum": {"$type": "decimal", "value": "1.10"},
        "path": {"$type": "path", "value": "a/b", "flavour": "posix", "pure": True},
    }
    assert on_wire([date(2026, 1, 2), time(3, 4), uuid.UUID(int=1)]) == [
        {"$type": "date", "value": "2026-01-02"},
        {"$type": "time", "value": "03:04:00"},
        {"$type": "uuid", "value": "00000000-0000-0000-0000-000000000001"},
    ]


@pytest.mark.parametrize(
    "wire",
    [
        {"$type": "datetime", "value": "yesterday"},
        {"$type": "datetime", "value": 7},
        {"$type": "datetime"},
        {"$type": "datetime", "value": "2026-11-27", "class": "pandas.Timestamp", "unit": "fortnight"},
        {"$type": "date", "value": "2026-13-01"},
        {"$type": "time", "value": "25:00"},
        {"$type": "timedelta", "days": 1 << 60, "seconds": 0, "microseconds": 0},
        {"$type": "timedelta", "days": 1.5, "seconds": 0, "microseconds": 0},
        {"$type": "timedelta", "days": 1, "seconds": 0, "microseconds": 0, "class": "pandas.Timedelta", "unit": "ns"},
        {"$type": "decimal", "value": "one"},
        {"$type": "decimal", "value": "1" * 4_301},
        {"$type": "uuid", "value": "1"},
        {"$type": "path", "value": "a", "flavour": "amiga"},
        {"$type": "path", "value": "a" * 65_537, "flavour": "posix"},
    ],
)
def test_a_text_that_is_no_such_value_is_refused(wire: dict[str, Any]) -> None:
    assert isinstance(refused(wire), PayloadRefused)
