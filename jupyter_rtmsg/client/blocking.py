"""Blocking methods made from the methods of an object that lives on the I/O loop: the sync facade.

`Room`, `Client` and `Socket` are used from any thread, and hold the async object that does the work. Most of their
methods differ from those of that object only in who waits, so they are made from them:

    class Room:
        history = blocking(AsyncRoom.history, "Room")

Overloaded methods take two steps: `direct_overloaded`, `blocking_by`. mypy keeps the overloads of an argument only in
a call with exactly one argument; in any other call it keeps the first overload.

`delegated` makes the methods of an object whose work one of its components does.

`help()`, Shift-Tab and type checkers see the signature and the docstring of the original.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from .bridge import Bridge

A = TypeVar("A")
A_co = TypeVar("A_co", covariant=True)
C = TypeVar("C")
P = ParamSpec("P")
T = TypeVar("T")


class Facade(Protocol[A_co]):
    """An object for code that does not await, with the async object that it stands for."""

    @property
    def _async(self) -> A_co: ...

    @property
    def _bridge(self) -> Bridge: ...


def blocking(
    method: Callable[Concatenate[A, P], Coroutine[Any, Any, T]], owner: str
) -> Callable[Concatenate[Facade[A], P], T]:
    """Make a method that runs a coroutine method on the I/O loop, and waits for what it returns.

    Parameters
    ----------
    method : callable
        A coroutine method of the async object. What it returns must be usable on any thread.
    owner : str
        The name of the class that gets the method, for its ``__qualname__``.
    """

    def call(self: Facade[A], /, *args: P.args, **kwargs: P.kwargs) -> T:
        __tracebackhide__ = True  # IPython leaves this frame out
        return self._bridge.ask(method(self._async, *args, **kwargs))

    return _named(call, method, owner)


class DirectMaker(Protocol):
    """Makes a method like `direct`; see `direct_overloaded`."""

    def __call__(self, method: Callable[Concatenate[A, P], T], /) -> Callable[Concatenate[Any, P], T]:
        """Make the method."""


class BlockingMaker(Protocol):
    """Makes a blocking method; see `blocking_by`."""

    def __call__(
        self, method: Callable[Concatenate[A, P], Coroutine[Any, Any, T]], /
    ) -> Callable[Concatenate[Any, P], T]:
        """Make the method."""


def blocking_by(implementation: Callable[..., Any], owner: str) -> BlockingMaker:
    """Return a maker of one method, which gets the signature, overloads and docstring of a coroutine method.

    Parameters
    ----------
    implementation : callable
        Is the method: it takes the arguments of the coroutine method, waits, and returns its result.
    owner : str
        The name of the class that gets the method, for its ``__qualname__``.
    """

    def make(method: Callable[Concatenate[A, P], Coroutine[Any, Any, T]], /) -> Callable[Concatenate[Any, P], T]:
        return _named(implementation, method, owner)

    return make


def direct_overloaded(owner: str) -> DirectMaker:
    """Return a maker of one method: the `direct` of an overloaded method.

    Parameters
    ----------
    owner : str
        The name of the class that gets the method, for its ``__qualname__``.
    """

    def make(method: Callable[Concatenate[A, P], T], /) -> Callable[Concatenate[Any, P], T]:
        return direct(method, owner)

    return make


def direct(method: Callable[Concatenate[A, P], T], owner: str) -> Callable[Concatenate[Facade[A], P], T]:
    """Make a method that calls one of the async object at once, on the caller's thread.

    Parameters
    ----------
    method : callable
        A method that any thread may call.
    owner : str
        The name of the class that gets the method, for its ``__qualname__``.
    """

    def call(self: Facade[A], /, *args: P.args, **kwargs: P.kwargs) -> T:
        __tracebackhide__ = True
        return method(self._async, *args, **kwargs)

    return _named(call, method, owner)


def delegated(method: Callable[Concatenate[C, P], T], component: str, owner: str) -> Callable[Concatenate[Any, P], T]:
    """Make a method that calls the one of a component; also a coroutine method.

    Parameters
    ----------
    method : callable
        A method of the component.
    component : str
        The attribute that holds the component.
    owner : str
        The name of the class that gets the method, for its ``__qualname__``.
    """

    def call(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> T:
        __tracebackhide__ = True
        return method(getattr(self, component), *args, **kwargs)

    # with the original's attributes: one of them marks a coroutine function
    named = wraps(method)(call)
    named.__qualname__ = f"{owner}.{method.__name__}"
    return named


def documented_by(original: Callable[..., Any]) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Decorate a method that is written by hand: it gets the docstring of the async one, with the same arguments."""

    def decorate(method: Callable[P, T]) -> Callable[P, T]:
        method.__doc__ = original.__doc__
        return method

    return decorate


def _named(call: Callable[P, T], method: Callable[..., Any], owner: str) -> Callable[P, T]:
    """Give a method the docstring and the signature of another, and the name that it has in its own class."""
    # Without the original's attributes: one of them marks a coroutine function.
    named = wraps(method, updated=())(call)
    named.__qualname__ = f"{owner}.{method.__name__}"
    return named
