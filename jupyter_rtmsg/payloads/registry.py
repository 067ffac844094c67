"""The classes that come back as themselves: those that this process has registered, by name."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, NamedTuple, TypeVar, overload

from jupyter_rtmsg.errors import WrongCall

from .records import is_record

T = TypeVar("T")
Function = Callable[[Any], Any]


class Registered(NamedTuple):
    """A class that was registered.

    Attributes
    ----------
    cls : type
    name : str
        Its name on the wire.
    encode, decode : callable or None
        None for a class whose fields are known: a dataclass, an Enum and so on.
    """

    cls: type
    name: str
    encode: Function | None
    decode: Function | None


_by_name: dict[str, Registered] = {}
_by_class: dict[type, Registered] = {}


def named(name: Any) -> Registered | None:
    """Return the class that is registered by a name."""
    return _by_name.get(name) if isinstance(name, str) else None


def registered(cls: type) -> Registered | None:
    """Return what is registered for a class, or for the nearest one that it inherits from."""
    if not _by_class:
        return None
    return next((_by_class[each] for each in cls.__mro__ if each in _by_class), None)


@overload
def payload(
    cls: type[T], /, encode: Function | None = None, decode: Function | None = None, *, name: str | None = None
) -> type[T]: ...
@overload
def payload(*, name: str | None = None) -> Callable[[type[T]], type[T]]: ...
def payload(
    cls: type[T] | None = None,
    /,
    encode: Function | None = None,
    decode: Function | None = None,
    *,
    name: str | None = None,
) -> type[T] | Callable[[type[T]], type[T]]:
    """Register a class, so that its objects can be emitted, and come back as objects of this class.

    The class is found by its name, and never imported: a process that has not registered the name gets the data
    instead. So register it in both notebooks. Registering a name again replaces the class: run the cell as often as you
    like.

    Parameters
    ----------
    cls : type
        A dataclass, an attrs or msgspec class, a pydantic model or an Enum; or any class with the next two.
    encode : callable, optional
        Gets an object, and returns what is sent: JSON, bytes, arrays, tables and so on.
    decode : callable, optional
        Gets what ``encode`` returned, and returns the object. Everybody who may emit into the room chooses what it
        gets: it must check it.
    name : str, optional
        The name on the wire; by default that of the class.

    Returns
    -------
    type
        The class, so that ``payload`` is a decorator, too.

    Raises
    ------
    WrongCall
        If the fields of the class are not known, and ``encode`` and ``decode`` are not given.

    Examples
    --------
    >>> @rt.payload
    ... @dataclass
    ... class Metric:
    ...     loss: float
    >>> lab.emit("metric", Metric(0.12))
    >>> rt.payload(Model, lambda model: model.to_json(), Model.from_json)
    """
    if cls is None:
        return lambda cls: payload(cls, name=name)
    if not isinstance(cls, type):
        raise WrongCall(
            f"payload() registers a class, not {type(cls).__name__}. Write rt.payload({type(cls).__name__})"
        )
    if (encode is None) != (decode is None):
        raise WrongCall("payload() needs both functions. Write rt.payload(cls, encode, decode)")
    if encode is None and not (is_record(cls) or issubclass(cls, Enum)):
        raise WrongCall(
            f"the fields of {cls.__name__} are not known, since it is no dataclass, attrs or msgspec class, pydantic "
            f"model or Enum. Write rt.payload({cls.__name__}, encode, decode)"
        )
    entry = Registered(cls, name or cls.__name__, encode, decode)
    before = _by_name.get(entry.name)
    if before is not None:  # the class of a cell that was run before: its objects are still sent by their fields
        _by_class.pop(before.cls, None)
    _by_name[entry.name] = _by_class[cls] = entry
    return cls
