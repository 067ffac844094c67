"""The functions that an application registers for HTTP requests: middlewares, `allow_request`, header listeners."""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping
from http.cookies import SimpleCookie
from typing import Any

from jupyter_rtmsg.errors import ConnectionRefused
from jupyter_rtmsg.logthrottle import throttled_logger
from jupyter_rtmsg.notebook import where_raised

from .listeners import Handlers, added, current, listener
from .rejection import Refused, RefusedRequest
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
    """The functions that an engine calls for its HTTP requests, and the cookie that it sets.

    Parameters
    ----------
    allow_request : callable, optional
        Sync or async; called with each `Request` that is about to open a session. It rejects the request by returning
        False, or by returning or raising `Refused`. Any other exception rejects the request, too, and is logged.
    cookie : bool, str or mapping
        See `Engine`.
    generate_id : callable, optional
        Sync or async; called with the `Request` that opens a session, returns the session's id.
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
        """Register a listener for one of `EVENTS`. A notebook cell that is run again replaces its listeners."""
        new = listener(function)
        self._functions[event] = added(self._functions[event], new)
        self._functions = {event: current(functions, new) for event, functions in self._functions.items()}

    def listeners(self, event: str) -> tuple[Callable[..., Any], ...]:
        """Return the listeners of an event."""
        return self._functions[event]

    def use(self, middleware: Middleware) -> None:
        """Register a middleware, called with each request and the headers of its response."""
        self.on(_MIDDLEWARE, middleware)

    async def run_middlewares(self, request: Request) -> Headers:
        """Call the middlewares, and return the headers that they set.

        Raises
        ------
        Refused
            If a middleware rejects the request or fails.
        """
        headers: Headers = {}
        for middleware in self._functions[_MIDDLEWARE]:
            await _ask(middleware, request, headers, refusal=Refused(3, name="MIDDLEWARE_FAILURE"))
        return headers

    async def check(self, request: Request) -> None:
        """Call `allow_request`; raise `Refused` if it rejects the request."""
        if self._allow_request:
            await _ask(self._allow_request, request, refusal=Refused(4))

    async def generate_id(self, request: Request) -> str | None:
        """Call the application's function for session ids, and return its result; None if there is no function.

        Raises
        ------
        Refused
            If the function fails, or returns an id that would have to be escaped in a URL.
        """
        if self._generate_id is None:
            return None
        try:
            result = self._generate_id(request)
            id = await result if inspect.isawaitable(result) else result
            if not (isinstance(id, str) and _ID.fullmatch(id)):
                raise ValueError(f"a session id must be a str of 1 to 128 letters, digits and `_~.-`, not {id!r:.200}")
        except Exception as error:
            logger.exception("`generate_id` failed: the request is rejected")
            raise Refused(3, name="ID_GENERATION_ERROR", error=error) from None
        return id

    def add_headers(self, headers: Headers, request: Request, opened: str | None = None) -> None:
        """Call the header listeners of a response. If it opens the session ``opened``, set the cookie, too."""
        if opened:
            if self._cookie and request.query.get("transport") == "polling":
                headers["Set-Cookie"] = [_cookie(opened, self._cookie)]
            self._emit("initial_headers", headers, request)
        self._emit("headers", headers, request)

    def refused(self, request: Request, refusal: Refused) -> None:
        """Call the ``connection_error`` listeners."""
        if self._functions["connection_error"]:
            self._emit("connection_error", RefusedRequest.of(request, refusal))

    def _emit(self, event: str, *args: Any) -> None:
        for function in self._functions[event]:
            try:
                function(*args)
            except Exception as error:
                where_raised(error).run(logger.exception, "a listener of %r raised", event)


async def _ask(function: Callable[..., Any], *args: Any, refusal: Refused) -> None:
    """Call a function that may reject a request by its result or by raising; ``refusal`` is the default error."""
    try:
        result = function(*args)
        if inspect.isawaitable(result):
            result = await result
    except Refused:
        raise
    except ConnectionRefused as refused:
        raise Refused(4, refused.message) from None
    except Exception:
        logger.exception("%r raised: the request is rejected", function)
        raise refusal from None
    if isinstance(result, Refused):
        raise result
    if result is not None and not result:
        raise refusal


def _cookie_settings(cookie: bool | str | Mapping[str, Any]) -> dict[str, Any]:
    given = {"name": cookie} if isinstance(cookie, str) else cookie if isinstance(cookie, Mapping) else {}
    settings = {"name": "io", "path": "/", "httponly": True, "samesite": "Lax", **given}
    _cookie("x", settings)  # raises now, rather than at every request, if an attribute is unknown
    return settings


def _cookie(value: str, settings: Mapping[str, Any]) -> str:
    attributes = {key.replace("_", "-"): setting for key, setting in settings.items() if key != "name"}
    cookie: SimpleCookie = SimpleCookie({settings["name"]: value})
    cookie[settings["name"]].update(attributes)
    return cookie[settings["name"]].OutputString()
