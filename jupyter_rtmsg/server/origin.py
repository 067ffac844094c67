"""Which web pages may send requests, and read the answers (CORS).

CORS guards no WebSocket, so the ``Origin`` of every request is looked at, whatever its transport. Requests without one
come from no page. A page that calls this machine by a name of its own (DNS rebinding) is "the same origin": on a
loopback address, `Hosts` looks at the name.
"""

from __future__ import annotations

import inspect
import ipaddress
import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Literal, cast

import tornado.web

from jupyter_rtmsg.logthrottle import throttled_logger

from .refusal import Refused
from .request import Request

Predicate = Callable[[str, Request], "bool | Awaitable[bool]"]
Origin = str | re.Pattern[str] | Predicate
Verdict = Literal["none", "own", "listed", "any"]

_SCHEMES = {"http": "http", "ws": "http", "https": "https", "wss": "https"}
_PORTS = {"http": ":80", "https": ":443"}
_ORIGIN = re.compile(r"(\w+)://([^/?#@\s]+)/?")
_LONGEST = 200  # characters of an origin or host that are repeated in an answer

logger = throttled_logger(__name__)


class Origins:
    """The origins of pages that an application allows, beside its own.

    Parameters
    ----------
    allowed : str, re.Pattern or callable, or an iterable of these
        ``"*"`` stands for any. A pattern must match all of an origin. A function, sync or async, is called with the
        origin and the `Request` and returns whether it is allowed; if it raises, it is not.
    """

    def __init__(self, allowed: Origin | Iterable[Origin]) -> None:
        one = isinstance(allowed, str | re.Pattern) or callable(allowed)
        rules = cast("list[Origin]", [allowed] if one else list(cast("Iterable[Origin]", allowed)))
        for rule in rules:
            if not (isinstance(rule, str | re.Pattern) or callable(rule)):
                raise TypeError(f"an origin is a str, a pattern or a function, not {rule!r}")
        self._names = {_canonical(rule) for rule in rules if isinstance(rule, str)}
        self._patterns = [rule for rule in rules if isinstance(rule, re.Pattern)]
        self._predicates = [rule for rule in rules if callable(rule)]

    @property
    def configured(self) -> bool:
        """Whether any page but the server's own is allowed."""
        return bool(self._names or self._patterns or self._predicates)

    async def check(self, request: Request) -> Verdict:
        """Tell whose page a request comes from.

        Returns
        -------
        str
            ``"none"`` of no page, ``"own"`` of this server's, ``"listed"`` of one that was named, matched or accepted,
            ``"any"`` of one that is allowed as all are.

        Raises
        ------
        Refused
            403 for any other page; the message names its origin and the option to set.
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
        """Let pages of the allowed origins read the answer."""
        if not self.configured:
            return
        if verdict == "listed":
            handler.set_header("Access-Control-Allow-Origin", handler.request.headers["Origin"])
            handler.set_header("Access-Control-Allow-Credentials", "true")
        elif "*" in self._names:  # anybody, but nobody's cookies
            handler.set_header("Access-Control-Allow-Origin", "*")
        handler.add_header("Vary", "Origin")  # a cache must not give one origin's answer to another

    async def preflight(self, handler: tornado.web.RequestHandler, request: Request, methods: str) -> bool:
        """Answer a browser's question before a request; return False where CORS is not configured."""
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
    """The names by which clients may call this server.

    Parameters
    ----------
    names : str or iterable of str
        Beside the names of the loopback interface. ``"*"`` stands for any.
    """

    def __init__(self, names: str | Iterable[str]) -> None:
        self._names = {name.lower() for name in ([names] if isinstance(names, str) else names)}

    def check(self, request: Request, loopback: bool) -> None:
        """Refuse the ``Host`` of a page that calls this machine by another name (DNS rebinding).

        Parameters
        ----------
        request : Request
        loopback : bool
            Whether the server listens on a loopback address only. If not, names are looked at only if some were given.
        """
        host = request.headers.get("Host")
        if host is None or "*" in self._names or not (loopback or self._names):
            return
        name = re.sub(r":\d*$", "", host).rstrip(".").lower()
        if name not in self._names and not is_loopback(name):
            raise Refused(4, f"Host {host!r:.{_LONGEST}} is not allowed: add it to the server's option `hosts`", 403)


def is_loopback(name: str) -> bool:
    """Return whether a host, or an address, is that of the loopback interface."""
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")


def is_own(origin: str, request: Request) -> bool:
    """Return whether a page comes from the host that its request goes to.

    A TLS proxy in front of this server may leave it without knowledge of TLS, so ``https`` is allowed over what looks
    like ``http``. The other way round it is refused: a page without TLS could be anybody's in between.
    """
    found = _ORIGIN.fullmatch(origin.lower())
    scheme = _SCHEMES.get(found[1]) if found else None
    if not found or not scheme or (scheme == "http" and request.secure):
        return False
    port = _PORTS[scheme]
    return found[2].removesuffix(port) == request.host.lower().removesuffix(port) != ""


def _canonical(origin: str) -> str:
    """Return an origin without differences that mean nothing: case, a slash at the end, the scheme's own port."""
    found = _ORIGIN.fullmatch(origin.lower())
    scheme = _SCHEMES.get(found[1]) if found else None
    return f"{scheme}://{found[2].removesuffix(_PORTS[scheme])}" if found and scheme else origin.lower()


async def _holds(predicate: Predicate, origin: str, request: Request) -> bool:
    try:
        result = predicate(origin, request)
        return bool(await result if inspect.isawaitable(result) else result)
    except Exception:
        logger.exception("a function of `origins` raised, so the origin %.200r is refused", origin)
        return False
