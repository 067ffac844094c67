"""Coroutines whose forgotten ``await`` is named."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Generator
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast

from jupyter_rtmsg.errors import WrongName

P = ParamSpec("P")
T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


class Awaited(Coroutine[Any, Any, T]):
    """A coroutine that says so when its ``await`` was forgotten.

    Parameters
    ----------
    coroutine : coroutine
    call : str
        The method that made it.
    """

    __slots__ = ("_call", "_coroutine")

    def __init__(self, coroutine: Coroutine[Any, Any, T], call: str) -> None:
        self._coroutine = coroutine
        self._call = call

    def __await__(self) -> Generator[Any, Any, T]:
        return self._coroutine.__await__()

    def send(self, value: Any) -> Any:
        """Do as the coroutine."""
        return self._coroutine.send(value)

    def throw(self, *error: Any) -> Any:
        """Do as the coroutine."""
        return self._coroutine.throw(*error)

    def close(self) -> None:
        """Do as the coroutine."""
        self._coroutine.close()

    def __repr__(self) -> str:
        return f"<{self._call}() has not been awaited: write await before it>"

    def __getattr__(self, name: str) -> Any:
        if name.startswith(("_", "cr_")):
            return getattr(self._coroutine, name)
        raise WrongName(f"the result of {self._call}() has to be awaited: write (await ...{self._call}(...)).{name}")


def awaited(function: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Have an async method say so when its ``await`` was forgotten."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T]:
        return Awaited(function(*args, **kwargs), function.__name__)

    return _marked(call)


def _marked(call: F) -> F:
    """Have `asyncio.iscoroutinefunction` say yes: schedulers ask it how to call a function."""
    if mark := getattr(inspect, "markcoroutinefunction", None):  # from Python 3.12 on
        return cast(F, mark(call))
    call.__dict__["_is_coroutine"] = getattr(asyncio.coroutines, "_is_coroutine", None)
    return call
