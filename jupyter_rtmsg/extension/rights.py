"""Jupyter's authorizer, asked for the hub: resource ``rtmsg``, actions ``read`` and ``write``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress

from jupyter_core.utils import ensure_async
from jupyter_server.auth import AllowAllAuthorizer, User
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.serverapp import ServerApp
from tornado.httputil import HTTPConnection, HTTPHeaders, HTTPServerRequest

RESOURCE = "rtmsg"
ACTIONS = ("read", "write")
REFRESH = 15.0
"""Seconds after which a principal's rights are asked for again: with the hub's own recheck, well within a minute."""


class Rights:
    """What each connected principal may do: the `Access` of the hub.

    The authorizer may be asynchronous, and the hub asks for every publish; so the answers are kept, and asked for
    again every `REFRESH` seconds.

    Parameters
    ----------
    serverapp : ServerApp
    connected : callable
        Returns the principals that are connected now; the others are forgotten.
    owner : str, optional
        JupyterHub's name of the user whose server this is. Its kernels come with no user object, which JupyterHub's
        authorizer needs, and it may do everything here anyway: it is not asked about.
    """

    def __init__(self, serverapp: ServerApp, connected: Callable[[], Iterable[str]], owner: str | None = None) -> None:
        self._serverapp = serverapp
        self._connected = connected
        self._owner = owner
        self._users: dict[str, User] = {}
        self._allowed: dict[str, frozenset[str]] = {}
        self._idle: set[str] = set()
        self._task: asyncio.Task[None] | None = None

    def allows(self, principal: str, action: str, room: str) -> bool:
        """Tell whether a principal may ``read`` or ``write``. Jupyter's authorizer knows no rooms."""
        return action in self._allowed.get(principal, frozenset())

    @property
    def shows_notebooks(self) -> bool:
        """Whether everybody who comes in may see the paths of notebooks.

        They may where the authorizer lets every authenticated user read contents anyway.
        """
        return type(self._serverapp.authorizer).is_authorized is AllowAllAuthorizer.is_authorized

    def introduce(self, principal: str, user: User) -> None:
        """Remember Jupyter's own object for a principal: some authorizers need more of it than the name."""
        self._idle.discard(principal)
        self._users[principal] = user

    async def admit(self, principal: str) -> bool:
        """Ask for the rights of a principal who wants to connect; tell whether there are any."""
        self._idle.discard(principal)
        self._allowed[principal] = await self._ask(principal)
        return bool(self._allowed[principal])

    async def may(self, principal: str, action: str) -> bool:
        """Ask whether a principal, connected or not, may ``read`` or ``write``."""
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
            for principal in list(self._allowed):
                self._allowed[principal] = await self._ask(principal)

    def _forget(self) -> None:
        # In the second round without a connection: one may be between its handshake, its CONNECT and the hub.
        connected = set(self._connected())
        known = self._users.keys() | self._allowed.keys()
        for principal in self._idle & known - connected:
            self._users.pop(principal, None)
            self._allowed.pop(principal, None)
        self._idle = known - connected

    async def _ask(self, principal: str) -> frozenset[str]:
        if principal == self._owner:
            return frozenset(ACTIONS)
        user = self._users.get(principal) or User(username=principal)
        handler = self._handler(user)
        return frozenset([action for action in ACTIONS if await self._authorizes(handler, user, action)])

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
