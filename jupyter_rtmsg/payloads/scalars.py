"""Values of Python's standard library: times, Decimal, UUID, paths. They need no library, but for those of pandas."""

from __future__ import annotations

import os
import re
from datetime import date, datetime, time, timedelta, tzinfo
from decimal import Decimal, InvalidOperation
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from jupyter_rtmsg.errors import PayloadRefused

from .buffers import PayloadReader, PayloadWriter
from .libraries import load

LONGEST = 4_300
"""Characters of a number or a time, as Python itself bounds the digits of an int."""

_ZONE = re.compile(r"[A-Za-z0-9_+/-]{1,64}")
_UNITS = ("s", "ms", "us", "ns")


def text_of(fields: dict[str, Any], name: str = "value", longest: int = LONGEST) -> str:
    """Return a field that is a text of limited length."""
    text = fields.get(name)
    if type(text) is not str or len(text) > longest:
        size = f"one of {len(text):,}" if isinstance(text, str) else type(text).__name__
        raise PayloadRefused(f"{name!r} is a text of at most {longest:,} characters, not {size}")
    return text


def encode_datetime(value: datetime, writer: PayloadWriter) -> dict[str, Any]:
    """Encode a datetime with its offset, and the name of its zone."""
    fields: dict[str, Any] = {"$type": "datetime", "value": value.isoformat()}
    zone = _zone_name(value.tzinfo)
    if zone:
        fields["zone"] = zone
    if value.fold and value.tzinfo is None:
        fields["fold"] = 1
    return fields


def _zone_name(zone: tzinfo | None) -> str | None:
    name = getattr(zone, "key", None) or getattr(zone, "zone", None)  # that of zoneinfo, or of pytz
    return name if isinstance(name, str) and _ZONE.fullmatch(name) else None


def decode_datetime(fields: dict[str, Any], reader: PayloadReader) -> datetime:
    """Decode a datetime. A zone that is not known here leaves its offset."""
    if fields.get("class") == "pandas.Timestamp":
        return _timestamp(fields)  # type: ignore[no-any-return]
    value = datetime.fromisoformat(text_of(fields))
    zone = _zone(fields)
    if zone is not None and value.tzinfo is not None:
        value = value.astimezone(zone)
    return value.replace(fold=1) if fields.get("fold") == 1 else value


def _zone(fields: dict[str, Any]) -> tzinfo | None:
    if "zone" not in fields:
        return None
    name = text_of(fields, "zone", 64)
    try:
        return ZoneInfo(name) if _ZONE.fullmatch(name) else None
    except (ValueError, OSError, KeyError):  # KeyError: no such zone on this computer
        return None


def encode_timestamp(value: Any, writer: PayloadWriter) -> dict[str, Any]:
    """Encode a Timestamp of pandas, which has nanoseconds and a unit."""
    return {**encode_datetime(value, writer), "class": "pandas.Timestamp", "unit": value.unit}


def _timestamp(fields: dict[str, Any]) -> Any:
    value = load("pandas").Timestamp(text_of(fields))
    zone = _zone(fields)
    if zone is not None and value.tzinfo is not None:
        value = value.tz_convert(zone)
    return value.as_unit(_unit(fields))


def _unit(fields: dict[str, Any]) -> str:
    unit = fields.get("unit")
    if unit not in _UNITS:
        raise PayloadRefused(f"'unit' is one of {', '.join(_UNITS)}, not {unit!r:.60}")
    return str(unit)


def encode_date(value: date, writer: PayloadWriter) -> dict[str, Any]:
    """Encode a date."""
    return {"$type": "date", "value": value.isoformat()}


def decode_date(fields: dict[str, Any], reader: PayloadReader) -> date:
    """Decode a date."""
    return date.fromisoformat(text_of(fields))


def encode_time(value: time, writer: PayloadWriter) -> dict[str, Any]:
    """Encode a time of day with its offset, if it is known without the date."""
    return {"$type": "time", "value": value.isoformat(), **({"fold": 1} if value.fold else {})}


def decode_time(fields: dict[str, Any], reader: PayloadReader) -> time:
    """Decode a time of day."""
    value = time.fromisoformat(text_of(fields))
    return value.replace(fold=1) if fields.get("fold") == 1 else value


def encode_timedelta(value: timedelta, writer: PayloadWriter) -> dict[str, Any]:
    """Encode a duration."""
    parts = {"days": value.days, "seconds": value.seconds, "microseconds": value.microseconds}
    return {"$type": "timedelta", **parts}


def encode_pandas_timedelta(value: Any, writer: PayloadWriter) -> dict[str, Any]:
    """Encode a Timedelta of pandas, which has nanoseconds and a unit."""
    nanoseconds = {"nanoseconds": value.nanoseconds, "class": "pandas.Timedelta", "unit": value.unit}
    return {**encode_timedelta(value, writer), **nanoseconds}


def decode_timedelta(fields: dict[str, Any], reader: PayloadReader) -> timedelta:
    """Decode a duration."""
    parts = {name: fields.get(name) for name in ("days", "seconds", "microseconds")}
    if any(type(part) is not int for part in parts.values()):
        raise PayloadRefused(f"a timedelta has whole days, seconds and microseconds, not {parts!r:.100}")
    value = timedelta(**parts)  # type: ignore[arg-type]
    if fields.get("class") != "pandas.Timedelta":
        return value
    pandas, nanoseconds = load("pandas"), fields.get("nanoseconds")
    if type(nanoseconds) is not int or not 0 <= nanoseconds < 1_000:
        raise PayloadRefused(f"'nanoseconds' is a whole number below 1,000, not {nanoseconds!r:.60}")
    unit, exact = _unit(fields), pandas.Timedelta(value)
    return (exact + pandas.Timedelta(nanoseconds, "ns") if nanoseconds else exact).as_unit(unit)  # type: ignore[no-any-return]


def encode_decimal(value: Decimal, writer: PayloadWriter) -> dict[str, Any]:
    """Encode a Decimal, with all of its digits."""
    return {"$type": "decimal", "value": str(value)}


def decode_decimal(fields: dict[str, Any], reader: PayloadReader) -> Decimal:
    """Decode a Decimal."""
    text = text_of(fields)
    try:
        return Decimal(text)
    except InvalidOperation:
        raise PayloadRefused(f"{text!r:.60} is no decimal number") from None


def encode_uuid(value: UUID, writer: PayloadWriter) -> dict[str, Any]:
    """Encode a UUID."""
    return {"$type": "uuid", "value": str(value)}


def decode_uuid(fields: dict[str, Any], reader: PayloadReader) -> UUID:
    """Decode a UUID."""
    return UUID(text_of(fields))


def encode_path(value: PurePath, writer: PayloadWriter) -> dict[str, Any]:
    """Encode a path. It names a file of the sender's computer."""
    flavour = "windows" if isinstance(value, PureWindowsPath) else "posix"
    pure = {} if isinstance(value, Path) else {"pure": True}
    return {"$type": "path", "value": str(value), "flavour": flavour, **pure}


def decode_path(fields: dict[str, Any], reader: PayloadReader) -> PurePath:
    """Decode a path: a `Path` if it has the form of this system's paths, else one that only names a file."""
    text, flavour = text_of(fields, longest=65_536), fields.get("flavour")
    if flavour not in ("posix", "windows"):
        raise PayloadRefused(f"'flavour' is 'posix' or 'windows', not {flavour!r:.60}")
    if (flavour == "windows") == (os.name == "nt") and fields.get("pure") is not True:
        return Path(text)
    return PureWindowsPath(text) if flavour == "windows" else PurePosixPath(text)


ENCODERS = {
    "pandas.Timestamp": encode_timestamp,
    "pandas.Timedelta": encode_pandas_timedelta,
    "datetime.datetime": encode_datetime,
    "datetime.date": encode_date,
    "datetime.time": encode_time,
    "datetime.timedelta": encode_timedelta,
    "decimal.Decimal": encode_decimal,
    "uuid.UUID": encode_uuid,
    "pathlib.PurePath": encode_path,
}
DECODERS = {
    "datetime": decode_datetime,
    "date": decode_date,
    "time": decode_time,
    "timedelta": decode_timedelta,
    "decimal": decode_decimal,
    "uuid": decode_uuid,
    "path": decode_path,
}
