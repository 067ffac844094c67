"""The web pages that may send requests and read the responses: origins (CORS) and host names (DNS rebinding).

CORS does not protect WebSockets, so the ``Origin`` of every request is checked, over both transports. A request without
``Origin`` was not sent by a page. A page that gives its own host name the address of this machine (DNS rebinding) has
"the same origin", so on a loopback address `Hosts` checks the name.
"""

from __future__ import annotations

import inspect
import ipaddress
import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Literal, cast

import tornado.web

from jupyter_rtmsg.logthrottle import throttled_logger

from .rejection import Refused
from .request import Request

Predicate = Callable[[str, Request], "bool | Awaitable[bool]"]
Origin = str | re.Pattern[str] | Predicate
Verdict = Literal["none", "own", "listed", "any"]

_SCHEMES = {"http": "http", "ws": "http", "https": "https", "wss": "https"}
_PORTS = {"http": ":80", "https": ":443"}
_ORIGIN = re.compile(r"(\w+)://([^/?#@\s]+)/?")
_LONGEST = 200  # characters of an origin or host that an error message repeats

logger = throttled_logger(__name__)


class Origins:
    """The allowed origins, in addition to the server's own.

    Parameters
    ----------
    allowed : str, re.Pattern or callable, or an iterable of these
        ``"*"`` allows any origin. A pattern must match the whole origin. A function, sync or async, is called with the
        origin and the `Request` and returns whether the origin is allowed. If it raises, the origin is not allowed.
    """

    def __init__(self, allowed: Origin | Iterable[Origin]) -> None:
        one = isinstance(allowed, str | re.Pattern) or callable(allowed)
        rules = cast("list[Origin]", [allowed] if one else list(cast("Iterable[Origin]", allowed)))
        for rule in rules:
            if not (isinstance(rule, str | re.Pattern) or callable(rule)):
                raise TypeError(f"an origin must be a str, a pattern or a function, not {rule!r}")
        self._names = {_canonical(rule) for rule in rules if isinstance(rule, str)}
        self._patterns = [rule for rule in rules if isinstance(rule, re.Pattern)]
        self._predicates = [rule for rule in rules if callable(rule)]

    @property
    def configured(self) -> bool:
        """Whether origins other than the server's own are allowed."""
        return bool(self._names or self._patterns or self._predicates)

    async def check(self, request: Request) -> Verdict:
        """Classify the origin of a request.

        Returns
        -------
        str
            ``"none"``: the request has no origin. ``"own"``: the server's own. ``"listed"``: a name, pattern or
            function allows it. ``"any"``: only ``"*"`` allows it.

        Raises
        ------
        Refused
            With status 403 for any other origin; the message names the origin and the option to set.
        """
        origin = request.headers.get("Origin")
        if origin is None:
            return "none"
        if _canonical(origin) in self._names or any(pattern.fullmatch(origin) for pattern in self._patterns):
            return "listed"
        if is_own(origin, request):
            return "own"
        for predicate in self._predicates:
            if await _holds(predicate, origin, request):
                return "listed"
        if "*" in self._names:
            return "any"
        raise Refused(4, f"Origin {origin!r:.{_LONGEST}} is not allowed: add it to the server's option `origins`", 403)

    def share(self, handler: tornado.web.RequestHandler, verdict: Verdict) -> None:
        """Set the CORS headers, so that pages of allowed origins can read the response."""
        if not self.configured:
            return
        if verdict == "listed":
            handler.set_header("Access-Control-Allow-Origin", handler.request.headers["Origin"])
            handler.set_header("Access-Control-Allow-Credentials", "true")
        elif "*" in self._names:  # without credentials
            handler.set_header("Access-Control-Allow-Origin", "*")
        handler.add_header("Vary", "Origin")  # or a cache would serve the response to another origin

    async def preflight(self, handler: tornado.web.RequestHandler, request: Request, methods: str) -> bool:
        """Answer a preflight request; return False if CORS is not configured."""
        if not self.configured or "Origin" not in request.headers:
            return False
        try:
            self.share(handler, await self.check(request))
        except Refused:
            self.share(handler, "none")
        handler.set_header("Access-Control-Allow-Methods", methods)
        requested = request.headers.get("Access-Control-Request-Headers")
        if requested:
            handler.set_header("Access-Control-Allow-Headers", requested)
        handler.set_status(204)
        return True


class Hosts:
    """The allowed host names.

    Parameters
    ----------
    names : str or iterable of str
        Names in addition to those of the loopback interface. ``"*"`` allows any name.
    """

    def __init__(self, names: str | Iterable[str]) -> None:
        self._names = {name.lower() for name in ([names] if isinstance(names, str) else names)}

    def check(self, request: Request, loopback: bool) -> None:
        """Raise `Refused` if the ``Host`` of a request is not allowed (DNS rebinding).

        Parameters
        ----------
        request : Request
        loopback : bool
            Whether the server listens on loopback addresses only. If not, hosts are checked only if names were given.
        """
        host = request.headers.get("Host")
        if host is None or "*" in self._names or not (loopback or self._names):
            return
        name = re.sub(r":\d*$", "", host).rstrip(".").lower()
        if name not in self._names and not is_loopback(name):
            raise Refused(4, f"Host {host!r:.{_LONGEST}} is not allowed: add it to the server's option `hosts`", 403)


def is_loopback(name: str) -> bool:
    """Return whether a host name or address belongs to the loopback interface."""
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")


def is_own(origin: str, request: Request) -> bool:
    """Return whether the host of an origin is the host that the request was sent to.

    An ``https`` origin is accepted over plain HTTP, since a proxy may end TLS without saying so. An ``http`` origin is
    not accepted over TLS: anyone on the network could have changed a page that was loaded without TLS.
    """
    found = _ORIGIN.fullmatch(origin.lower())
    scheme = _SCHEMES.get(found[1]) if found else None
    if not found or not scheme or (scheme == "http" and request.secure):
        return False
    port = _PORTS[scheme]
    return found[2].removesuffix(port) == request.host.lower().removesuffix(port) != ""


def _canonical(origin: str) -> str:
    """Return an origin in lower case, without a final slash and without the default port of its scheme."""
    found = _ORIGIN.fullmatch(origin.lower())
    scheme = _SCHEMES.get(found[1]) if found else None
    return f"{scheme}://{found[2].removesuffix(_PORTS[scheme])}" if found and scheme else origin.lower()


async def _holds(predicate: Predicate, origin: str, request: Request) -> bool:
    try:
        result = predicate(origin, request)
        return bool(await result if inspect.isawaitable(result) else result)
    except Exception:
        logger.exception("a function of `origins` raised: the origin %.200r is rejected", origin)
        return False
