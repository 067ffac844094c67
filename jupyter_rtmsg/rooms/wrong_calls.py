"""What to write instead of a call that cannot work."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from jupyter_rtmsg.advice import short
from jupyter_rtmsg.errors import RtmsgError, WrongCall

P = ParamSpec("P")
T = TypeVar("T")

_OPTIONS = ("id", "volatile", "expect", "retain", "expire", "wait", "timeout")
# What python-socketio's emit() takes, and ours does not.
_FOREIGN: Mapping[str, str] = {
    **dict.fromkeys(("room", "to"), 'a room emits to itself: other = hub.join("other"), then other.emit({event}, ...)'),
    **dict.fromkeys(("callback", "ack"), "emit() itself returns when the hub has stored the event"),
    **dict.fromkeys(("namespace", "skip_sid", "include_self"), "an event goes to everyone in the room"),
    "payload": "write lab.emit({event}, data)",
}  # fmt: skip


def explained(explain: Callable[..., str]) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Have a function say what to write, where it was called with arguments that it does not take.

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
                raise error.with_traceback(None)  # noqa: B904 - it is the same error, without the frames of this package
            except TypeError as error:
                if error.__traceback__ and error.__traceback__.tb_next:
                    raise  # from inside of the function: the arguments were right
            raise WrongCall(explain(*args[1:], **kwargs))

        return call

    return decorate


def emit_like_this(event: Any = None, data: Any = None, *more: Any, **fields: Any) -> str:
    """Return how `emit` is written, for someone who gave it something else."""
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
    """Return how `join` is written, for someone who gave it something else."""
    if more:
        return f"rooms are joined one by one. Write hub.join({short(room)}), then hub.join({short(more[0])})"
    for name in ("name", "subscription", "group"):
        if name in options:
            like_this = f"hub.join({short(room)}, as_={short(options[name])})"
            return f"join() takes no {name}=: as_= names the subscription. Write {like_this}"
    known = {"as_", "last", "since", "after"}
    unknown = ", ".join(f"{name}=" for name in options if name not in known)
    takes = "as_=, last=, since= or after="
    return f"join() takes no {unknown}: it takes {takes}" if unknown else f'write hub.join("lab"), perhaps with {takes}'


def history_like_this(first: Any = 10, *more: Any, **options: Any) -> str:
    """Return how `history` is written, for someone who gave it something else."""
    takes = "last=, after=, before=, since=, event=, sender= or limit="
    if options:
        return f"history() takes {takes}, and no other than these. Write lab.history(last=10)"
    name = "event" if isinstance(first, str) else "last"
    return f"history() takes {takes}, by name. Write lab.history({name}={short(first)})"


def check_url(url: object) -> None:
    """Refuse what is no address of a server, with WrongCall."""
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
    """Refuse what is no name of a room, with WrongCall."""
    if not isinstance(room, str):
        raise WrongCall(f'a room\'s name is a str, not {type(room).__name__}: {short(room)}. Write hub.join("lab")')


def check_event(event: object) -> None:
    """Refuse what is no name of an event, with WrongCall."""
    if event is not None and not isinstance(event, str):
        raise WrongCall(f'on() takes one event\'s name, a str, not {short(event)}. Write @lab.on("metric")')


def check_handler(function: Any) -> None:
    """Refuse what cannot be called with one event, with WrongCall."""
    if not callable(function):
        raise WrongCall(
            f'a handler is a function, not {short(function)}. Write @lab.on("metric") above "def show(event):"'
        )
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some functions of C tell nothing of what they take
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
