"""Rights, from Jupyter's authorizer: resource ``rtmsg``, actions ``read``, ``write`` and ``execute``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

from jupyter_core.utils import ensure_async
from jupyter_server.auth import AllowAllAuthorizer, User
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.serverapp import ServerApp
from tornado.httputil import HTTPConnection, HTTPHeaders, HTTPServerRequest

from .authenticator import Principal

RESOURCE = "rtmsg"
ACTIONS = {"read": "read", "write": "write", "manage": "execute"}
"""The hub's actions, and their names in Jupyter's authorizer."""
REFRESH = 15.0
"""Seconds between two queries of the authorizer. With the hub's own recheck, a revoked right ends within a minute."""


@dataclass(slots=True)
class Grant:
    """The rights of a credential.

    Attributes
    ----------
    principal : Principal
        The latest principal with this credential.
    allowed : frozenset of str
    idle : bool
        Whether no connection had it in the latest round.
    """

    principal: Principal
    allowed: frozenset[str] = frozenset()
    idle: bool = False


class Rights:
    """The `Access` of the hub: rights by the credential of a connection.

    A user may have several credentials with different rights: tokens of JupyterHub have scopes. The authorizer may be
    asynchronous, and the hub asks for every publish. So the answers are kept by credential, and refreshed every
    `REFRESH` seconds.

    Parameters
    ----------
    serverapp : ServerApp
    connected : callable
        Returns the credentials (`Principal.rights_key`) of the present connections; the rights of others are dropped.
    owned : bool
        Whether the server belongs to a user of JupyterHub. The tokens of the server and of its kernels are the owner's
        then, and are allowed everything: JupyterHub's authorizer needs a user object, which they lack.
    """

    def __init__(self, serverapp: ServerApp, connected: Callable[[], Iterable[str]], *, owned: bool = False) -> None:
        self._serverapp = serverapp
        self._connected = connected
        self._owned = owned
        self._grants: dict[str, Grant] = {}
        self._task: asyncio.Task[None] | None = None

    def allows(self, credential: str, action: str, room: str) -> bool:
        """Return whether a credential allows an action, in any room: Jupyter's authorizer knows no rooms."""
        grant = self._grants.get(credential)
        return grant is not None and action in grant.allowed

    @property
    def shows_notebooks(self) -> bool:
        """Whether all users may see the paths of notebooks.

        True if the authorizer lets every authenticated user read contents.
        """
        return type(self._serverapp.authorizer).is_authorized is AllowAllAuthorizer.is_authorized

    async def admit(self, principal: Principal) -> bool:
        """Query the rights of a credential that connects; return whether it has any."""
        allowed = await self._ask(principal)
        self._grants[principal.rights_key] = Grant(principal, allowed)
        return bool(allowed)

    async def may(self, principal: Principal, action: str) -> bool:
        """Query whether a principal, connected or not, may ``read``, ``write`` or ``manage``."""
        return action in await self._ask(principal)

    def start(self) -> None:
        """Refresh the rights every `REFRESH` seconds."""
        self._task = asyncio.create_task(self._refresh())

    async def close(self) -> None:
        """Stop refreshing."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _refresh(self) -> None:
        while True:
            await asyncio.sleep(REFRESH)
            self._forget()
            for grant in list(self._grants.values()):
                grant.allowed = await self._ask(grant.principal)

    def _forget(self) -> None:
        # Rights are dropped in the second round without a connection: in the first, a CONNECT may be under way.
        connected = set(self._connected())
        for key, grant in list(self._grants.items()):
            if key in connected:
                grant.idle = False
            elif grant.idle:
                del self._grants[key]
            else:
                grant.idle = True

    async def _ask(self, principal: Principal) -> frozenset[str]:
        if self._owned and principal.is_secret:
            return frozenset(ACTIONS)
        user = principal.user or User(username=principal.username)
        handler = self._handler(user)
        # With an authorizer that allows everything, the hub's own rule decides who manages a room.
        asked = [name for name in ACTIONS if name != "manage" or not self.shows_notebooks]
        return frozenset([name for name in asked if await self._authorizes(handler, user, ACTIONS[name])])

    async def _authorizes(self, handler: JupyterHandler, user: User, action: str) -> bool:
        try:
            return bool(await ensure_async(self._serverapp.authorizer.is_authorized(handler, user, action, RESOURCE)))
        except Exception:  # code of others: if it raises, deny
            self._serverapp.log.exception("The authorizer failed for %s on %s: refused", action, RESOURCE)
            return False

    def _handler(self, user: User) -> JupyterHandler:
        """Make the handler that authorizers take as an argument. Most read only its ``current_user``."""
        request = HTTPServerRequest(
            method="GET",
            uri=self._serverapp.base_url,
            headers=HTTPHeaders({"Host": "localhost"}),
            connection=_Nowhere(),
        )
        handler = JupyterHandler(self._serverapp.web_app, request)
        handler.current_user = user
        return handler


class _Nowhere(HTTPConnection):
    """The connection of the made-up request: handlers only register a callback for its end."""

    context = None

    def set_close_callback(self, callback: Callable[[], None] | None) -> None:
        """Do nothing: it never closes."""
