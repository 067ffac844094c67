"""Handlers that the cells of a notebook define."""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from types import CoroutineType
from typing import Any

Function = Callable[..., Any]


def in_notebook() -> bool:
    """Return whether IPython runs this code."""
    ipython = sys.modules.get("IPython")
    get_ipython = getattr(ipython, "get_ipython", None)
    return get_ipython is not None and get_ipython() is not None


class CellFunction:
    """A function that a cell registered; it prints below that cell, whoever calls it.

    ipykernel knows by a context variable which cell is printing. Without this it would be the one that awaited
    ``io.listen()``.

    Parameters
    ----------
    function : callable
        Sync or async.
    """

    __slots__ = ("context", "function")

    def __init__(self, function: Function) -> None:
        self.function = function
        self.context: Context = copy_context()

    def __repr__(self) -> str:
        return repr(self.function)

    def __call__(self, *args: Any) -> Any:
        """Call the function in its context; an async one gives a coroutine that awaits it there."""
        context = self.context.copy()  # a context cannot be entered twice at a time
        try:
            result = context.run(self.function, *args)
        except Exception as error:
            _remember(error, context)
            raise
        return self._finish(result, context) if type(result) is CoroutineType else result

    async def _finish(self, coroutine: Coroutine[Any, Any, Any], context: Context) -> Any:
        loop = asyncio.get_running_loop()
        try:
            return await context.run(loop.create_task, coroutine)  # a task copies the context that it is made in
        except Exception as error:
            _remember(error, context)
            raise


def _remember(error: Exception, context: Context) -> None:
    error.__dict__.setdefault("_cell", context)


def where_raised(error: Exception) -> Context:
    """Return the context in which an error is to be logged: that of the cell whose function raised it."""
    context = error.__dict__.get("_cell")
    return context.copy() if isinstance(context, Context) else copy_context()


def redefines(new: Any, old: Any) -> bool:
    """Return whether a function that a cell registers is one that it registered before, run again.

    That is so for functions of one module and qualified name, unless they are lambdas, bound methods or made inside of
    another function: two rules made by one ``require(role)`` are two rules.
    """
    if not isinstance(new, CellFunction) or not isinstance(old, CellFunction):
        return False
    one, two = new.function, old.function
    if not inspect.isfunction(one) or not inspect.isfunction(two) or "<" in one.__qualname__:
        return False
    return (one.__module__, one.__qualname__) == (two.__module__, two.__qualname__)
