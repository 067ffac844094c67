"""Who is speaking: from Jupyter's cookie, a header, or Socket.IO's CONNECT, to a principal."""

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
    """A request that is refused with a text of ours, which may be shown to anybody."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(status, message)
        self.message = message


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is speaking, as `user` of a session.

    Attributes
    ----------
    username : str
        The key of rights and subscriptions.
    credential : str
        What was shown: `SERVER_TOKEN`, `KERNEL_TOKEN`, `ANONYMOUS`, or a user's name with the way that user came. A
        session belongs to one credential, also where all of them are one user: each request of it shows it.
    display_name : str
        What Jupyter calls the person; empty where that is not known.
    by_cookie : bool
        Shown by a cookie, which browsers send along with what foreign pages ask for.
    user : User or None
        Jupyter's own object for this credential: authorizers may need more of it than the name.
    rights_key : str
        The key of its rights: what was shown, as a hash. A login's cookie may change while its sessions last, so this
        is more than the credential of a session.
    """

    username: str
    credential: str
    display_name: str = field(default="", compare=False)
    by_cookie: bool = field(default=False, compare=False)
    user: User | None = field(default=None, compare=False, repr=False)
    rights_key: str = field(default="", compare=False, repr=False)

    def __post_init__(self) -> None:
        """Make the credential the key of its rights where nothing else was given."""
        if not self.rights_key:
            object.__setattr__(self, "rights_key", self.credential)

    @property
    def is_secret(self) -> bool:
        """Whether a secret of the server itself was shown: its token, or that of its kernels."""
        return self.credential in (SERVER_TOKEN, KERNEL_TOKEN)

    def __str__(self) -> str:
        return self.username


class Identity:
    """Tells principals, by the server's identity provider and the scoped token.

    Parameters
    ----------
    settings : mapping
        The web application's: identity provider and allowed origins are looked up when needed.
    kernel_token : str
        The scoped token.
    only_user : callable
        Returns the account that everybody is who may come in, or None where the server knows several users.
    """

    def __init__(
        self, settings: Mapping[str, Any], kernel_token: str, only_user: Callable[[], str | None] = lambda: None
    ) -> None:
        self._settings = settings
        self._kernel_token = kernel_token
        self._only_user = only_user

    async def of_request(self, handler: JupyterHandler) -> Principal | None:
        """Return the principal of an HTTP request, or None where it carries no credentials.

        Raises
        ------
        HTTPError
            403 for a wrong token, a token in the URL, or credentials that a foreign page may not use.
        """
        if "token" in handler.request.query_arguments:
            raise Denied(403, f"A token does not belong into a URL, which ends up in logs. {HOW}")
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
        """Return the principal of a request to another part of Jupyter, which takes a token in the URL, too."""
        try:
            return await self.of_request(handler)
        except HTTPError:
            user = handler.current_user
            return None if user is None else self._of_user(user, handler.get_query_argument("token", ""))

    def of_token(self, token: str, headers: Mapping[str, str], *, secure: bool = False) -> Principal | None:
        """Return the principal of a token given in CONNECT, or None if it is wrong or may not be used from there."""
        provider: IdentityProvider = self._settings["identity_provider"]
        if provider.token and secrets.compare_digest(token.encode(), str(provider.token).encode()):
            return self._of_secret(SERVER_TOKEN)
        if self._is_kernel_token(token) and self.trusts(headers, secure=secure):
            return self._of_secret(KERNEL_TOKEN)
        return None

    def trusts(self, headers: Mapping[str, str], *, secure: bool = False) -> bool:
        """Tell whether a request comes from a script, from this server's own pages, or from an origin allowed by name.

        ``allow_origin = "*"`` lets every page ask, but does not lend it the cookie of whoever has it open. A page that
        came without TLS, and could be anybody's on the way, is foreign where the request is known to have come by TLS.
        """
        origin, host = headers.get("Origin"), headers.get("Host")
        if origin is None or host is None:
            return True
        if is_own(origin, Request(headers, host=host, secure=secure)):
            return True
        pattern = self._settings.get("allow_origin_pat")
        allowed = (self._settings.get("allow_origin") or "").lower().rstrip("/")
        origin = origin.lower()
        # "" allows none, not an empty Origin
        return (origin == allowed != "") or bool(pattern and re.fullmatch(pattern, origin))

    def _is_kernel_token(self, token: str) -> bool:
        return secrets.compare_digest(token.encode(), self._kernel_token.encode())

    @property
    def owner(self) -> str | None:
        """The principal whose server it is: its only user, or JupyterHub's; None where several share it."""
        return self._only_user() or os.environ.get("JUPYTERHUB_USER")

    @property
    def kernels(self) -> str:
        """The principal of this server's kernels."""
        return self._of_secret(KERNEL_TOKEN).username

    def former_names(self, principal: str) -> tuple[str, ...]:
        """Return the principals that the only user was in version 0.1.0, where it is one."""
        return (KERNEL_TOKEN, SERVER_TOKEN, ANONYMOUS) if principal == self._only_user() else ()

    def _of_secret(self, name: str) -> Principal:
        """Return who shows a secret of the server: its only user, JupyterHub's, or whoever has the secret."""
        return Principal(self._only_user() or os.environ.get("JUPYTERHUB_USER") or name, name)

    def _of_user(self, user: User, shown: str, *, by_cookie: bool = False) -> Principal:
        """Return whom Jupyter knows by name, from the header that showed it."""
        username, name = str(user.username), str(user.display_name or user.name or "")
        only = self._only_user()
        if only is not None and _DRAWN.fullmatch(name):
            name = ""  # the account says more than one of Jupyter's moons, drawn by lot for each browser
        way, hashed = "cookie" if by_cookie else "token", _hash(shown)
        credential = f"{username}#{way}" if by_cookie else f"{username}#{hashed}"
        return Principal(only or username, credential, name, by_cookie, user, f"{username}#{way}#{hashed}")

    async def _of_token(self, handler: JupyterHandler, token: str) -> Principal:
        provider = handler.identity_provider
        user = handler.current_user
        if user is None or (is_plain(provider) and not provider.is_token_authenticated(handler)):
            raise Denied(403, f"The token in the Authorization header is wrong. {HOW}")
        if is_plain(provider) and not await _has_cookie(handler):
            # The name in `user` was drawn by lot for this request.
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
            # Authentication is switched off; the name was drawn by lot.
            return Principal(self._only_user() or ANONYMOUS, ANONYMOUS)
        return self._of_user(user, handler.request.headers.get("Cookie", ""), by_cookie=True)


def authorization(handler: JupyterHandler) -> str | None:
    """Return the token of a request's header, if there is one."""
    match = _AUTHORIZATION.fullmatch(handler.request.headers.get("Authorization", ""))
    return match.group(1) if match else None


def _hash(shown: str) -> str:
    """Return what tells credentials apart without being one."""
    return blake2b(shown.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _foreign(what: str) -> str:
    return f"A page of another origin may not use {what}. c.ServerApp.allow_origin can allow that origin by name."


def is_plain(provider: IdentityProvider) -> bool:
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
