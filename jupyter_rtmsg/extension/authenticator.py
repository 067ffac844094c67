"""Authentication: from Jupyter's cookie, a header, or Socket.IO's CONNECT, to a principal."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from jupyter_server.auth import IdentityProvider, User
from jupyter_server.base.handlers import JupyterHandler
from tornado.web import HTTPError

from ..server import Request
from ..server.origin import is_own

SERVER_TOKEN = "token:server"  # noqa: S105 - the name of a principal
KERNEL_TOKEN = "token:kernel"  # noqa: S105
ANONYMOUS = "anonymous"

HOW = (
    "Give the token of the Jupyter server (`jupyter server list` shows it) in the header `Authorization: token ...` "
    "or as `auth: {token}` of Socket.IO's CONNECT."
)
_DRAWN = re.compile(r"Anonymous \w+")
_AUTHORIZATION = re.compile(r"(?:token|bearer)\s+(\S+)\s*", re.IGNORECASE)


class Denied(HTTPError):
    """A request is refused, with a message that is safe to show to anybody."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(status, message)
        self.message = message


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated user, with the credential that was shown; `user` of a session.

    Attributes
    ----------
    username : str
        The key of rights and subscriptions.
    credential : str
        `SERVER_TOKEN`, `KERNEL_TOKEN`, `ANONYMOUS`, or a user's name with the kind of login. Every request of a session
        must show the same credential, even if all credentials belong to one user.
    display_name : str
        Jupyter's display name of the person; empty if there is none.
    by_cookie : bool
        Whether it came in a cookie, which browsers also send with requests of foreign pages.
    user : User or None
        Jupyter's own object for this credential, which authorizers may read.
    rights_key : str
        The key of its rights: a hash of the cookie or token. A cookie may change during a session, so `credential`
        does not contain it.
    """

    username: str
    credential: str
    display_name: str = field(default="", compare=False)
    by_cookie: bool = field(default=False, compare=False)
    user: User | None = field(default=None, compare=False, repr=False)
    rights_key: str = field(default="", compare=False, repr=False)

    def __post_init__(self) -> None:
        """Use the credential as the key of the rights, unless another key was given."""
        if not self.rights_key:
            object.__setattr__(self, "rights_key", self.credential)

    @property
    def is_secret(self) -> bool:
        """Whether the credential is a token of the server itself, or of its kernels."""
        return self.credential in (SERVER_TOKEN, KERNEL_TOKEN)

    def __str__(self) -> str:
        return self.username


class Authenticator:
    """Finds the principal of a request, with the server's identity provider and the scoped token.

    Parameters
    ----------
    settings : mapping
        Those of the web application. Identity provider and allowed origins are read for each request.
    kernel_token : str
        The scoped token.
    only_user : callable
        Returns the account that all connections belong to, or None if the server knows several users.
    """

    def __init__(
        self, settings: Mapping[str, Any], kernel_token: str, only_user: Callable[[], str | None] = lambda: None
    ) -> None:
        self._settings = settings
        self._kernel_token = kernel_token
        self._only_user = only_user

    async def of_request(self, handler: JupyterHandler) -> Principal | None:
        """Return the principal of an HTTP request, or None if it has no credentials.

        Raises
        ------
        HTTPError
            403 for a wrong token, a token in the URL, or credentials that a foreign page may not use.
        """
        if "token" in handler.request.query_arguments:
            raise Denied(403, f"The request has a token in its URL, and URLs are written to logs. {HOW}")
        token = authorization(handler)
        trusted = self.trusts(handler.request.headers, secure=handler.request.protocol == "https")
        if token is not None and self._is_kernel_token(token):
            if not trusted:
                raise Denied(403, _foreign("the token of a kernel"))
            return self._of_secret(KERNEL_TOKEN)
        if token is not None:
            return await self._of_token(handler, token)
        return await self._of_cookie(handler, trusted)

    async def of_jupyter(self, handler: JupyterHandler) -> Principal | None:
        """Return the principal of a request to another part of Jupyter, which also takes a token in the URL."""
        try:
            return await self.of_request(handler)
        except HTTPError:
            user = handler.current_user
            return None if user is None else self._of_user(user, handler.get_query_argument("token", ""))

    def of_token(self, token: str, headers: Mapping[str, str], *, secure: bool = False) -> Principal | None:
        """Return the principal of a token in CONNECT, or None if it is wrong or not allowed from this origin."""
        provider: IdentityProvider = self._settings["identity_provider"]
        if provider.token and secrets.compare_digest(token.encode(), str(provider.token).encode()):
            return self._of_secret(SERVER_TOKEN)
        if self._is_kernel_token(token) and self.trusts(headers, secure=secure):
            return self._of_secret(KERNEL_TOKEN)
        return None

    def trusts(self, headers: Mapping[str, str], *, secure: bool = False) -> bool:
        """Return whether a request comes from a script, this server's own pages, or an origin allowed by name.

        ``allow_origin = "*"`` allows requests of every page, but not with the cookie or a kernel's token. A page over
        plain HTTP is foreign if the request came over TLS.
        """
        origin, host = headers.get("Origin"), headers.get("Host")
        if origin is None or host is None:
            return True
        if is_own(origin, Request(headers, host=host, secure=secure)):
            return True
        pattern = self._settings.get("allow_origin_pat")
        allowed = (self._settings.get("allow_origin") or "").lower().rstrip("/")
        origin = origin.lower()
        # An empty ``allow_origin`` allows no origin; it must not match an empty Origin header.
        return (origin == allowed != "") or bool(pattern and re.fullmatch(pattern, origin))

    def _is_kernel_token(self, token: str) -> bool:
        return secrets.compare_digest(token.encode(), self._kernel_token.encode())

    @property
    def owner(self) -> str | None:
        """The principal that owns the server: its only user, or JupyterHub's; None if several users share it."""
        return self._only_user() or os.environ.get("JUPYTERHUB_USER")

    @property
    def kernels(self) -> str:
        """The principal of this server's kernels."""
        return self._of_secret(KERNEL_TOKEN).username

    def former_names(self, principal: str) -> tuple[str, ...]:
        """Return the names that version 0.1.0 used for the only user."""
        return (KERNEL_TOKEN, SERVER_TOKEN, ANONYMOUS) if principal == self._only_user() else ()

    def _of_secret(self, name: str) -> Principal:
        """Return the principal of a token of the server: its only user, JupyterHub's user, or the token's own name."""
        return Principal(self._only_user() or os.environ.get("JUPYTERHUB_USER") or name, name)

    def _of_user(self, user: User, shown: str, *, by_cookie: bool = False) -> Principal:
        """Return the principal of a user of Jupyter. ``shown`` is the cookie or token."""
        username, name = str(user.username), str(user.display_name or user.name or "")
        only = self._only_user()
        if only is not None and _DRAWN.fullmatch(name):
            name = ""  # Jupyter chose it at random for this browser; the account's name is shown instead
        way, hashed = "cookie" if by_cookie else "token", _hash(shown)
        credential = f"{username}#{way}" if by_cookie else f"{username}#{hashed}"
        return Principal(only or username, credential, name, by_cookie, user, f"{username}#{way}#{hashed}")

    async def _of_token(self, handler: JupyterHandler, token: str) -> Principal:
        provider = handler.identity_provider
        user = handler.current_user
        if user is None or (is_plain(provider) and not provider.is_token_authenticated(handler)):
            raise Denied(403, f"The token in the Authorization header is wrong. {HOW}")
        if is_plain(provider) and not await _has_cookie(handler):
            # Jupyter chose the name in `user` at random for this request.
            return Principal(self._only_user() or SERVER_TOKEN, SERVER_TOKEN)
        return self._of_user(user, token)

    async def _of_cookie(self, handler: JupyterHandler, trusted: bool) -> Principal | None:
        user = handler.current_user
        if user is None:
            return None
        if not trusted:
            if handler.allow_origin == "*":
                return None
            raise Denied(403, _foreign("the cookie of this server"))
        if is_plain(handler.identity_provider) and not await _has_cookie(handler):
            # Authentication is switched off; Jupyter chose the name at random.
            return Principal(self._only_user() or ANONYMOUS, ANONYMOUS)
        return self._of_user(user, handler.request.headers.get("Cookie", ""), by_cookie=True)


def authorization(handler: JupyterHandler) -> str | None:
    """Return the token of a request's header, if there is one."""
    match = _AUTHORIZATION.fullmatch(handler.request.headers.get("Authorization", ""))
    return match.group(1) if match else None


def _hash(shown: str) -> str:
    """Return a hash that tells credentials apart, and cannot be used as one."""
    return blake2b(shown.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _foreign(what: str) -> str:
    return f"A page of another origin may not use {what}. Allow that origin by name in c.ServerApp.allow_origin."


def is_plain(provider: IdentityProvider) -> bool:
    """Return whether the provider knows one shared token only, and gives random names to its users."""
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
