"""Misuse of the API: errors that say what to write instead, for wrong arguments and for a forgotten ``await``."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Generator, Mapping
from functools import wraps
from math import inf
from typing import Any, ParamSpec, TypeVar, cast

from jupyter_rtmsg.advice import short
from jupyter_rtmsg.errors import BadEvent, BadRequest, ReservedEvent, RtmsgError, WrongCall, WrongName
from jupyter_rtmsg.wire.socketio import RESERVED_EVENTS

P = ParamSpec("P")
T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

_MAX_NAME = 128
_OPTIONS = ("id", "volatile", "expect", "retain", "expire", "wait", "timeout")
# Arguments of python-socketio's emit() that this emit() does not take.
_FOREIGN: Mapping[str, str] = {
    **dict.fromkeys(("room", "to"), 'a room emits to itself: other = hub.join("other"), then other.emit({event}, ...)'),
    **dict.fromkeys(("callback", "ack"), "emit() itself returns when the hub has stored the event"),
    **dict.fromkeys(("namespace", "skip_sid", "include_self"), "an event goes to everyone in the room"),
    "payload": "write lab.emit({event}, data)",
}  # fmt: skip


def explained(explain: Callable[..., str]) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Decorate a method: a call with arguments that it does not take raises `WrongCall` with an explanation.

    Parameters
    ----------
    explain : callable
        Gets the arguments, without ``self``, and returns the text.
    """

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            __tracebackhide__ = True  # IPython leaves this frame out
            try:
                return function(*args, **kwargs)
            except RtmsgError as error:
                raise error.with_traceback(None)  # noqa: B904 - the same error, without the frames of this package
            except TypeError as error:
                if error.__traceback__ and error.__traceback__.tb_next:
                    raise  # raised inside the function: the arguments were right
            raise WrongCall(explain(*args[1:], **kwargs))

        return call

    return decorate


def emit_like_this(event: Any = None, data: Any = None, *more: Any, **fields: Any) -> str:
    """Return an explanation of a wrong call of `emit`."""
    if event is None:
        return 'an event has a name. Write lab.emit("metric", {"loss": 0.1})'
    known = {name: fields.pop(name) for name in _OPTIONS if name in fields}
    options = "".join(f", {name}={short(value)}" for name, value in known.items())
    for name in _FOREIGN.keys() & fields.keys():
        return f"emit() takes no {name}=: {_FOREIGN[name].format(event=short(event))}"
    if more:
        return f"emit() takes one value. Write lab.emit({short(event)}, {short([data, *more])}{options})"
    if isinstance(data, Mapping) or data is None:
        return f"the data go into a dict. Write lab.emit({short(event)}, {short({**(data or {}), **fields})}{options})"
    return f"emit() takes one value. Write lab.emit({short(event)}, {short({'value': data, **fields})}{options})"


def join_like_this(room: Any = "lab", *more: Any, **options: Any) -> str:
    """Return an explanation of a wrong call of `join`."""
    if more:
        return f"rooms are joined one by one. Write hub.join({short(room)}), then hub.join({short(more[0])})"
    for name in ("name", "subscription", "group"):
        if name in options:
            like_this = f"hub.join({short(room)}, as_={short(options[name])})"
            return f"join() takes no {name}=: as_= names the subscription. Write {like_this}"
    known = {"as_", "last", "since", "after", "first", "will"}
    unknown = ", ".join(f"{name}=" for name in options if name not in known)
    takes = "as_=, last=, since=, after=, first= or will="
    return f"join() takes no {unknown}: it takes {takes}" if unknown else f'write hub.join("lab"), perhaps with {takes}'


def history_like_this(first: Any = 10, *more: Any, **options: Any) -> str:
    """Return an explanation of a wrong call of `history`."""
    takes = "last=, after=, before=, since=, event=, sender= or limit="
    if options:
        return f"history() takes {takes}, and no other than these. Write lab.history(last=10)"
    name = "event" if isinstance(first, str) else "last"
    return f"history() takes {takes}, by name. Write lab.history({name}={short(first)})"


def policy_like_this(*_: Any, **options: Any) -> str:
    """Return an explanation of a wrong call of `policy`."""
    unknown = "".join(f", and no {name}=" for name in options if name not in ("count", "age", "bytes", "discard"))
    return f"policy() takes count=, age=, bytes= or discard=, by name{unknown}. Write lab.policy(count=1000, age=3600)"


def check_joined(room: str, joined: tuple[str | None, Any], as_: str | None, will: dict[str, Any] | None) -> None:
    """Raise ValueError if a room that is joined already has another subscription, or another will, than asked for.

    Parameters
    ----------
    room : str
    joined : tuple
        The subscription and the will that the room has.
    as_, will
        Those that are asked for; None asks for none.
    """
    if as_ is not None and as_ != joined[0]:
        raise ValueError(f"room {room!r} is joined as {joined[0]!r}: leave() it first")
    if will is not None and will != joined[1]:
        has = "another will" if joined[1] else "no will"
        raise ValueError(f"room {room!r} is joined already, with {has}: leave() it first, then join it with will=")


def check_url(url: object) -> None:
    """Raise `WrongCall` unless it is a URL, or None."""
    if url is not None and not isinstance(url, str):
        raise WrongCall(
            f'a URL is a str, not {short(url)}. Write rt.connect(), or rt.connect("http://localhost:8888/")'
        )
    if isinstance(url, str) and url and url.replace("-", "").replace("_", "").isalnum():
        raise WrongCall(
            f"{short(url)} is no URL. Write rt.connect(), which finds the server; "
            f"a room of that name is rt.connect().join({short(url)})"
        )


def check_room(room: object) -> None:
    """Raise `WrongCall` unless it is a str."""
    if not isinstance(room, str):
        raise WrongCall(f'a room\'s name is a str, not {type(room).__name__}: {short(room)}. Write hub.join("lab")')


def check_event(event: object) -> None:
    """Raise `WrongCall` unless it is a str, or None."""
    if event is not None and not isinstance(event, str):
        raise WrongCall(f'on() takes one event\'s name, a str, not {short(event)}. Write @lab.on("metric")')


def check_handler(function: Any) -> None:
    """Raise `WrongCall` unless it can be called with one event."""
    if not callable(function):
        raise WrongCall(
            f'a handler is a function, not {short(function)}. Write @lab.on("metric") above "def show(event):"'
        )
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some functions written in C have no signature
        return
    try:
        signature.bind(None)
    except TypeError:
        name = getattr(function, "__name__", "") or type(function).__name__
        takes = str(signature)
        raise WrongCall(
            f"a handler gets one argument, the event, and {name}{takes} cannot be called with one. "
            f"Write def {name if name.isidentifier() else 'show'}(event): ... and use event.data in it"
        ) from None


class Awaited(Coroutine[Any, Any, T]):
    """A coroutine whose repr and errors say so when its ``await`` was forgotten.

    Parameters
    ----------
    coroutine : coroutine
    call : str
        The name of the method that made it.
    """

    __slots__ = ("_call", "_coroutine")

    def __init__(self, coroutine: Coroutine[Any, Any, T], call: str) -> None:
        self._coroutine = coroutine
        self._call = call

    def __await__(self) -> Generator[Any, Any, T]:
        return self._coroutine.__await__()

    def send(self, value: Any) -> Any:
        """See `Coroutine`."""
        return self._coroutine.send(value)

    def throw(self, *error: Any) -> Any:
        """See `Coroutine`."""
        return self._coroutine.throw(*error)

    def close(self) -> None:
        """See `Coroutine`."""
        self._coroutine.close()

    def __repr__(self) -> str:
        return f"<{self._call}() has not been awaited: write await before it>"

    def __getattr__(self, name: str) -> Any:
        if name.startswith(("_", "cr_")):
            return getattr(self._coroutine, name)
        raise WrongName(f"the result of {self._call}() has to be awaited: write (await ...{self._call}(...)).{name}")


def awaited(function: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Decorate an async method, so that a forgotten ``await`` is named."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T]:
        return Awaited(function(*args, **kwargs), function.__name__)

    return _marked(call)


def _marked(call: F) -> F:
    """Mark a function for `asyncio.iscoroutinefunction`, by which schedulers decide how to call it."""
    if mark := getattr(inspect, "markcoroutinefunction", None):  # from Python 3.12 on
        return cast(F, mark(call))
    call.__dict__["_is_coroutine"] = getattr(asyncio.coroutines, "_is_coroutine", None)
    return call


def lifetime(expire: Any) -> float | None:
    """Return the time after which an event is gone; raise `BadRequest` if it is none."""
    if expire is None:
        return None
    if isinstance(expire, bool) or not isinstance(expire, (int, float)) or not 0 < expire < inf:
        raise BadRequest(f"expire={short(expire)} must be a number of seconds above 0: expire=60 keeps it for a minute")
    return expire


def check_publish(event: Any) -> None:
    """Raise `BadEvent` or `ReservedEvent` for the name of an event that may not be emitted."""
    if not isinstance(event, str):
        raise BadEvent(
            f"an event's name must be a str, not {type(event).__name__}: {short(event)}. "
            'Write the name first: emit("metric", {"loss": 0.1})'
        )
    if event.startswith("$") or event in RESERVED_EVENTS:
        owner = "the hub" if event.startswith("$") else "Socket.IO"
        raise ReservedEvent(f"the event name {event!r} belongs to {owner}: choose another")
    if not 1 <= len(event) <= _MAX_NAME:
        raise BadEvent(f"an event's name has 1 to {_MAX_NAME} characters, not {len(event)}")


def will_fields(will: Any) -> dict[str, Any] | None:
    """Return a will as the wire has it; raise `WrongCall` if it is none."""
    if will is None:
        return None
    if not isinstance(will, tuple) or not 1 <= len(will) <= 3:
        raise WrongCall('will= is an event and its data. Write join("lab", will=("gone", {"who": "ann"}))')
    check_publish(will[0])
    return dict(zip(("event", "data", "retain"), will, strict=False))
