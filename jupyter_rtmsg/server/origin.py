"""Which web pages may ask, and read the answer (CORS). CORS guards no WebSocket: so every request is looked at."""

from __future__ import annotations

from collections.abc import Collection

import tornado.web


def origin_allowed(handler: tornado.web.RequestHandler, origins: Collection[str]) -> bool:
    """Tell whether a request comes from no page, from the server's own pages, or from an allowed origin.

    Parameters
    ----------
    handler : tornado.web.RequestHandler
    origins : collection of str
        Origins as browsers send them; ``"*"`` stands for any.
    """
    origin = handler.request.headers.get("Origin")
    if origin is None or "*" in origins or origin in origins:
        return True
    return origin.lower() == f"{handler.request.protocol}://{handler.request.host}".lower()


def share(handler: tornado.web.RequestHandler, origins: Collection[str]) -> bool:
    """Let pages of the allowed origins read the answer; return whether this is a question of theirs."""
    if not origins:
        return False
    origin = handler.request.headers.get("Origin")
    if origin in origins:
        handler.set_header("Access-Control-Allow-Origin", str(origin))
        handler.set_header("Access-Control-Allow-Credentials", "true")
    elif "*" in origins:  # anybody, but nobody's cookies
        handler.set_header("Access-Control-Allow-Origin", "*")
    handler.add_header("Vary", "Origin")  # a cache must not give one origin's answer to another
    return origin is not None


def preflight(handler: tornado.web.RequestHandler, origins: Collection[str], methods: str) -> bool:
    """Answer a browser's question before a request; return False where CORS is not configured."""
    if not share(handler, origins):
        return False
    handler.set_header("Access-Control-Allow-Methods", methods)
    requested = handler.request.headers.get("Access-Control-Request-Headers")
    if requested:
        handler.set_header("Access-Control-Allow-Headers", requested)
    handler.set_status(204)
    return True
