"""What an application has to say about the requests of its engine, before and after they are answered."""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping
from http.cookies import SimpleCookie
from typing import Any

from jupyter_rtmsg.logthrottle import throttled_logger

from ..errors import ConnectionRefused
from ..notebook import where_raised
from .emitter import Handlers, added, current, listener
from .refusal import Refused, RefusedRequest
from .request import Request

Headers = dict[str, "str | list[str]"]
Middleware = Callable[[Request, Headers], Any]
Check = Callable[[Request], Any]
IdFactory = Callable[[Request], "str | Awaitable[str]"]
EVENTS = ("connection", "connection_error", "initial_headers", "headers")
_MIDDLEWARE = "middleware"
_ID = re.compile(r"[\w~.-]{1,128}", re.ASCII)

logger = throttled_logger(__name__)


class RequestHooks:
    """Middlewares, `allow_request`, header listeners and the cookie of an engine.

    Parameters
    ----------
    allow_request : callable, optional
        Called with the `Request` that would open a session, sync or async. It refuses by returning False, or by
        returning or raising `Refused`; if it raises anything else, the request is refused and the fault logged.
    cookie : bool, str or mapping
        See `Engine`.
    generate_id : callable, optional
        Called with the `Request` that opens a session, sync or async; returns its id.
    """

    def __init__(
        self,
        allow_request: Check | None = None,
        cookie: bool | str | Mapping[str, Any] = False,
        generate_id: IdFactory | None = None,
    ) -> None:
        self._allow_request = allow_request
        self._generate_id = generate_id
        self._cookie = _cookie_settings(cookie) if cookie else None
        self._functions: Handlers = dict.fromkeys((_MIDDLEWARE, *EVENTS), ())

    def on(self, event: str, function: Callable[..., Any]) -> None:
        """Listen to one of `EVENTS`. In a notebook, a cell that is run again replaces what it registered."""
        new = listener(function)
        self._functions[event] = added(self._functions[event], new)
        self._functions = {event: current(functions, new) for event, functions in self._functions.items()}

    def listeners(self, event: str) -> tuple[Callable[..., Any], ...]:
        """Return the listeners of an event."""
        return self._functions[event]

    def use(self, middleware: Middleware) -> None:
        """Call a middleware for every request, with it and the headers of its response, which it may change."""
        self.on(_MIDDLEWARE, middleware)

    async def run_middlewares(self, request: Request) -> Headers:
        """Return the headers that the middlewares give the response.

        Raises
        ------
        Refused
        """
        headers: Headers = {}
        for middleware in self._functions[_MIDDLEWARE]:
            await _ask(middleware, request, headers, refusal=Refused(3, name="MIDDLEWARE_FAILURE"))
        return headers

    async def check(self, request: Request) -> None:
        """Raise `Refused` if the application wants no session opened by a request."""
        if self._allow_request:
            await _ask(self._allow_request, request, refusal=Refused(4))

    async def generate_id(self, request: Request) -> str | None:
        """Return the id that the application gives a session, None if it leaves that to the engine.

        Raises
        ------
        Refused
            If it fails, or gives what would have to be escaped in a URL.
        """
        if self._generate_id is None:
            return None
        try:
            result = self._generate_id(request)
            id = await result if inspect.isawaitable(result) else result
            if not (isinstance(id, str) and _ID.fullmatch(id)):
                raise ValueError(f"a session's id is a str of 1 to 128 letters, digits and `_~.-`, not {id!r:.200}")
        except Exception as error:
            logger.exception("`generate_id` failed, so the request is refused")
            raise Refused(3, name="ID_GENERATION_ERROR", error=error) from None
        return id

    def add_headers(self, headers: Headers, request: Request, opened: str | None = None) -> None:
        """Add the listeners' headers to those of a response; to one that opens a session the cookie, too."""
        if opened:
            if self._cookie and request.query.get("transport") == "polling":
                headers["Set-Cookie"] = [_cookie(opened, self._cookie)]
            self._emit("initial_headers", headers, request)
        self._emit("headers", headers, request)

    def refused(self, request: Request, refusal: Refused) -> None:
        """Tell the application that a request was refused."""
        if self._functions["connection_error"]:
            self._emit("connection_error", RefusedRequest.of(request, refusal))

    def _emit(self, event: str, *args: Any) -> None:
        for function in self._functions[event]:
            try:
                function(*args)
            except Exception as error:
                where_raised(error).run(logger.exception, "a listener of %r raised", event)


async def _ask(function: Callable[..., Any], *args: Any, refusal: Refused) -> None:
    """Call a function that may refuse a request: by its result, or by raising."""
    try:
        result = function(*args)
        if inspect.isawaitable(result):
            result = await result
    except Refused:
        raise
    except ConnectionRefused as refused:
        raise Refused(4, refused.message) from None
    except Exception:
        logger.exception("%r raised, so the request is refused", function)
        raise refusal from None
    if isinstance(result, Refused):
        raise result
    if result is not None and not result:
        raise refusal


def _cookie_settings(cookie: bool | str | Mapping[str, Any]) -> dict[str, Any]:
    given = {"name": cookie} if isinstance(cookie, str) else cookie if isinstance(cookie, Mapping) else {}
    settings = {"name": "io", "path": "/", "httponly": True, "samesite": "Lax", **given}
    _cookie("x", settings)  # an attribute that does not exist raises here, rather than at every request
    return settings


def _cookie(value: str, settings: Mapping[str, Any]) -> str:
    attributes = {key.replace("_", "-"): setting for key, setting in settings.items() if key != "name"}
    cookie: SimpleCookie = SimpleCookie({settings["name"]: value})
    cookie[settings["name"]].update(attributes)
    return cookie[settings["name"]].OutputString()
