"""Objects with fields: dataclasses, attrs and msgspec classes, pydantic models. No library is imported for them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from jupyter_rtmsg.errors import PayloadRefused


def is_record(cls: type) -> bool:
    """Return whether the objects of a class have fields that are known."""
    return _is_pydantic(cls) or any(
        hasattr(cls, name) for name in ("__dataclass_fields__", "__attrs_attrs__", "__struct_fields__")
    )


def _is_pydantic(cls: type) -> bool:
    return any(each.__name__ == "BaseModel" and each.__module__.startswith("pydantic.") for each in cls.__mro__)


def fields_of(value: Any) -> dict[str, Any]:
    """Return the fields of an object by the names that its class takes."""
    cls = type(value)
    if _is_pydantic(cls):
        dump: dict[str, Any] = (
            value.model_dump(by_alias=True) if hasattr(cls, "model_dump") else value.dict(by_alias=True)
        )
        return dump
    return {taken: getattr(value, name) for name, taken in _names(cls)}


def _names(cls: Any) -> list[tuple[str, str]]:
    """Return the names of the fields that the class takes, each as attribute and as argument."""
    if hasattr(cls, "__dataclass_fields__"):
        return [(each.name, each.name) for each in dataclasses.fields(cls) if each.init]
    if hasattr(cls, "__attrs_attrs__"):
        return [(each.name, each.alias or each.name.lstrip("_")) for each in cls.__attrs_attrs__ if each.init]
    return [(name, name) for name in cls.__struct_fields__]


def record_of(cls: Any, fields: Any) -> Any:
    """Make an object of a class that this process has registered.

    Raises
    ------
    PayloadRefused
        If the class does not take these fields.
    """
    if not isinstance(fields, Mapping):
        raise PayloadRefused(f"a {cls.__name__} has fields by name, not {type(fields).__name__}")
    try:
        if _is_pydantic(cls):
            return cls.model_validate(fields) if hasattr(cls, "model_validate") else cls.parse_obj(fields)
        return cls(**fields)
    except Exception as error:  # the class decides what it takes
        told = " ".join(str(error).split())
        raise PayloadRefused(
            f"the class {cls.__name__} of this process does not take it: {type(error).__name__}: {told:.200}"
        ) from error
