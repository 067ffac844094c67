"""Handlers that cannot take the arguments that an event brings: what to tell their author."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def explain(error: Exception, handler: Callable[..., Any], event: str, args: Sequence[Any]) -> None:
    """Say in a handler's TypeError what its event brought, if that is what the handler could not take.

    Parameters
    ----------
    error : Exception
        What calling the handler raised. Its text is replaced, so that its traceback stays.
    handler : callable
        The function that was registered.
    event : str
    args : sequence
        The arguments of the event.

    Notes
    -----
    JavaScript leaves surplus arguments out and makes missing ones undefined. In Python a wrong number is a mistake:
    a handler that takes any number says so with ``*args``, and one whose arguments are optional gives them defaults.
    """
    if not isinstance(error, TypeError):
        return
    try:
        signature = inspect.signature(handler)
    except (TypeError, ValueError):  # some functions written in C have none
        return
    try:
        signature.bind(*args)
    except TypeError:
        name = getattr(handler, "__qualname__", repr(handler)).rpartition("<locals>.")[2]
        brought = f"{len(args)}: {list(args)!r:.200}" if args else "none"
        error.args = (f"handler {name}{signature} of {event!r} takes {_takes(signature)}, the event brought {brought}",)


def _takes(signature: inspect.Signature) -> str:
    """Return how many arguments a function takes by position, in words."""
    parameters = signature.parameters.values()
    most = sum(each.kind in _POSITIONAL for each in parameters)
    least = sum(each.kind in _POSITIONAL and each.default is each.empty for each in parameters)
    named = [each.name for each in parameters if each.kind is each.KEYWORD_ONLY and each.default is each.empty]
    if any(each.kind is each.VAR_POSITIONAL for each in parameters):
        words = f"at least {least} argument{'s' * (least != 1)}" if least else "any number of arguments"
    elif least < most:
        words = f"{least} to {most} arguments"
    else:
        words = f"{most or 'no'} argument{'s' * (most != 1)}"
    return f"{words}, and {', '.join(named)} by name" if named else words
