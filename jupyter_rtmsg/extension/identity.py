"""Who is speaking: from Jupyter's cookie, a header, or Socket.IO's CONNECT, to a principal."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Awaitable, Mapping
from typing import Any
from urllib.parse import urlsplit

from jupyter_server.auth import IdentityProvider
from jupyter_server.base.handlers import JupyterHandler
from tornado.web import HTTPError

SERVER_TOKEN = "token:server"  # noqa: S105 - the name of a principal
KERNEL_TOKEN = "token:kernel"  # noqa: S105
ANONYMOUS = "anonymous"

HOW = (
    "Give the token of the Jupyter server (`jupyter server list` shows it) in the header `Authorization: token ...` "
    "or as `auth: {token}` of Socket.IO's CONNECT."
)
_AUTHORIZATION = re.compile(r"(?:token|bearer)\s+(\S+)\s*", re.IGNORECASE)


class Identity:
    """Tells principals, by the server's identity provider and the scoped token.

    Parameters
    ----------
    settings : mapping
        The web application's: identity provider and allowed origins are looked up when needed.
    kernel_token : str
        The scoped token.
    """

    def __init__(self, settings: Mapping[str, Any], kernel_token: str) -> None:
        self._settings = settings
        self._kernel_token = kernel_token

    async def of_request(self, handler: JupyterHandler) -> str | None:
        """Return the principal of an HTTP request, or None where it carries no credentials.

        Raises
        ------
        HTTPError
            403 for a wrong token, a token in the URL, or credentials that a foreign page may not use.
        """
        if "token" in handler.request.query_arguments:
            raise HTTPError(403, f"A token does not belong into a URL, which ends up in logs. {HOW}")
        token = authorization(handler)
        trusted = self.trusts(handler.request.headers)
        if token is not None and self._is_kernel_token(token):
            if not trusted:
                raise HTTPError(403, _foreign("the token of a kernel"))
            return self.kernel
        if token is not None:
            return await self._of_token(handler)
        return await self._of_cookie(handler, trusted)

    def of_token(self, token: str, headers: Mapping[str, str]) -> str | None:
        """Return the principal of a token given in CONNECT, or None if it is wrong or may not be used from there."""
        provider: IdentityProvider = self._settings["identity_provider"]
        if provider.token and secrets.compare_digest(token.encode(), str(provider.token).encode()):
            return os.environ.get("JUPYTERHUB_USER") or SERVER_TOKEN
        if self._is_kernel_token(token) and self.trusts(headers):
            return self.kernel
        return None

    @property
    def kernel(self) -> str:
        """The principal of the scoped token: under JupyterHub the server belongs to one user, and so does the token."""
        return os.environ.get("JUPYTERHUB_USER") or KERNEL_TOKEN

    def trusts(self, headers: Mapping[str, str]) -> bool:
        """Tell whether a request comes from a script, from this server's own pages, or from an origin allowed by name.

        ``allow_origin = "*"`` lets every page ask, but does not lend it the cookie of whoever has it open.
        """
        origin, host = headers.get("Origin"), headers.get("Host")
        if origin is None or host is None:
            return True
        origin = origin.lower()
        if urlsplit(origin).netloc == host.lower():
            return True
        pattern = self._settings.get("allow_origin_pat")
        allowed = self._settings.get("allow_origin") or None  # "" allows none, not an empty Origin
        return origin == allowed or bool(pattern and re.fullmatch(pattern, origin))

    def _is_kernel_token(self, token: str) -> bool:
        return secrets.compare_digest(token.encode(), self._kernel_token.encode())

    async def _of_token(self, handler: JupyterHandler) -> str:
        provider = handler.identity_provider
        user = handler.current_user
        if user is None or (_is_plain(provider) and not provider.is_token_authenticated(handler)):
            raise HTTPError(403, f"The token in the Authorization header is wrong. {HOW}")
        if _is_plain(provider) and not await _has_cookie(handler):
            return SERVER_TOKEN  # the name in `user` was drawn by lot for this request
        return str(user.username)

    async def _of_cookie(self, handler: JupyterHandler, trusted: bool) -> str | None:
        user = handler.current_user
        if user is None:
            return None
        if not trusted:
            if handler.allow_origin == "*":
                return None
            raise HTTPError(403, _foreign("the cookie of this server"))
        if _is_plain(handler.identity_provider) and not await _has_cookie(handler):
            return ANONYMOUS  # authentication is switched off; the name was drawn by lot
        return str(user.username)


def authorization(handler: JupyterHandler) -> str | None:
    """Return the token of a request's header, if there is one."""
    match = _AUTHORIZATION.fullmatch(handler.request.headers.get("Authorization", ""))
    return match.group(1) if match else None


def _foreign(what: str) -> str:
    return f"A page of another origin may not use {what}. c.ServerApp.allow_origin can allow that origin by name."


def _is_plain(provider: IdentityProvider) -> bool:
    """Tell whether the provider knows one shared token only, and draws a name by lot for whoever shows it."""
    kind = type(provider)
    return (
        kind.get_user is IdentityProvider.get_user
        and kind.get_user_token is IdentityProvider.get_user_token
        and kind.generate_anonymous_user is IdentityProvider.generate_anonymous_user
    )


async def _has_cookie(handler: JupyterHandler) -> bool:
    user = handler.identity_provider.get_user_cookie(handler)
    if isinstance(user, Awaitable):
        user = await user
    return user is not None
