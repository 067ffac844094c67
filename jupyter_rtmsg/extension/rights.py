"""Jupyter's authorizer, asked for the hub: resource ``rtmsg``, actions ``read``, ``write`` and ``execute``."""

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

from .identity import Principal

RESOURCE = "rtmsg"
ACTIONS = {"read": "read", "write": "write", "manage": "execute"}
"""The hub's actions, and what Jupyter's authorizer calls them."""
REFRESH = 15.0
"""Seconds after which rights are asked for again: with the hub's own recheck, well within a minute."""


@dataclass(slots=True)
class Grant:
    """What a credential may do.

    Attributes
    ----------
    principal : Principal
        The latest that came with the credential.
    allowed : frozenset of str
    idle : bool
        Whether nobody was connected with it at the latest round.
    """

    principal: Principal
    allowed: frozenset[str] = frozenset()
    idle: bool = False


class Rights:
    """What each connection may do, by the credential that it showed: the `Access` of the hub.

    One user may come with several credentials, of which one may read only: JupyterHub's tokens have scopes of their
    own. The authorizer may be asynchronous, and the hub asks for every publish; so the answers are kept for each
    credential, and asked for again every `REFRESH` seconds.

    Parameters
    ----------
    serverapp : ServerApp
    connected : callable
        Returns the credentials (`Principal.rights_key`) that are connected now; the others are forgotten.
    owned : bool
        Whether the server belongs to a user of JupyterHub. The tokens of the server itself and of its kernels come with
        no user object then, which JupyterHub's authorizer needs, and are the owner's own: it is not asked about them.
    """

    def __init__(self, serverapp: ServerApp, connected: Callable[[], Iterable[str]], *, owned: bool = False) -> None:
        self._serverapp = serverapp
        self._connected = connected
        self._owned = owned
        self._grants: dict[str, Grant] = {}
        self._task: asyncio.Task[None] | None = None

    def allows(self, credential: str, action: str, room: str) -> bool:
        """Tell whether a credential allows an action. Jupyter's authorizer knows no rooms."""
        grant = self._grants.get(credential)
        return grant is not None and action in grant.allowed

    @property
    def shows_notebooks(self) -> bool:
        """Whether everybody who comes in may see the paths of notebooks.

        They may where the authorizer lets every authenticated user read contents anyway.
        """
        return type(self._serverapp.authorizer).is_authorized is AllowAllAuthorizer.is_authorized

    async def admit(self, principal: Principal) -> bool:
        """Ask for the rights of a credential with which somebody connects; tell whether there are any."""
        allowed = await self._ask(principal)
        self._grants[principal.rights_key] = Grant(principal, allowed)
        return bool(allowed)

    async def may(self, principal: Principal, action: str) -> bool:
        """Ask whether a principal, connected or not, may ``read``, ``write`` or ``manage``."""
        return action in await self._ask(principal)

    def start(self) -> None:
        """Ask again from time to time."""
        self._task = asyncio.create_task(self._refresh())

    async def close(self) -> None:
        """Ask no more."""
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
        # In the second round without a connection: one may be between its CONNECT and the hub.
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
        # An authorizer that allows everybody everything says nothing of who manages a room: the hub's own rule does.
        asked = [name for name in ACTIONS if name != "manage" or not self.shows_notebooks]
        return frozenset([name for name in asked if await self._authorizes(handler, user, ACTIONS[name])])

    async def _authorizes(self, handler: JupyterHandler, user: User, action: str) -> bool:
        try:
            return bool(await ensure_async(self._serverapp.authorizer.is_authorized(handler, user, action, RESOURCE)))
        except Exception:  # the authorizer is somebody else's code: its fault must not open the door
            self._serverapp.log.exception("The authorizer failed for %s on %s: refused", action, RESOURCE)
            return False

    def _handler(self, user: User) -> JupyterHandler:
        """Make the handler that an authorizer expects, without a request: most look at ``current_user`` or nothing."""
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
    """The connection of a request that never was: a handler only tells it what to call when it closes."""

    context = None

    def set_close_callback(self, callback: Callable[[], None] | None) -> None:
        """Do nothing: it never closes."""
