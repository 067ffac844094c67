"""The hub inside a Jupyter server: builds its parts, starts them once and closes them once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.serverapp import ServerApp

from .. import __version__
from ..errors import ConnectionRefused, LogClosed
from ..hub import Claim, Hub, Limits, Permits, ProvenKernel, anybody, nobody
from ..log import EventLog, open_log
from ..redaction import redacted
from ..server import Server, Socket
from .activity import ServerActivity
from .authenticator import HOW, KERNEL_TOKEN, Authenticator, Principal
from .environment import is_own_address, kernel_url
from .gateway import Gateway
from .kernels import Kernels
from .newcomers import upgraded
from .renames import Renames
from .rights import Rights
from .single_user import account


@dataclass(frozen=True)
class Settings:
    """The values of the application's traits.

    Attributes
    ----------
    log : str
        The URL of the log.
    url : str
        The base URL at which kernels reach the server; empty to find it out.
    log_options, server_options : mapping
        Keyword arguments of `open_log` and `Server`.
    limits : Limits
        Of the hub.
    """

    log: str = field(repr=False)
    url: str = field(default="", repr=False)
    log_options: Mapping[str, Any] = field(default_factory=dict)
    server_options: Mapping[str, Any] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)


_HANDLERS = 2.0  # seconds that running handlers have at shutdown, which may take five in all


class Service:
    """Server, log and hub, connected to Jupyter.

    States: not started (`_started` is None), starting (`_started` is pending: the log is opened), running (`_hub` is
    set), closed. A request that comes early starts it and waits. The service owns log, server and hub; the application
    owns the authenticator.

    Parameters
    ----------
    serverapp : ServerApp
    settings : Settings
    authenticator : Authenticator
    owned : bool
        Whether the server belongs to a user of JupyterHub.
    logger : logging.Logger
    """

    def __init__(
        self,
        serverapp: ServerApp,
        settings: Settings,
        authenticator: Authenticator,
        logger: logging.Logger,
        *,
        owned: bool,
    ) -> None:
        self.authenticator = authenticator
        self.server = Server(**settings.server_options)
        self.rights = Rights(serverapp, self._credentials, owned=owned)
        self.gateway = Gateway(serverapp)
        self._renames = Renames(serverapp, self._permits)
        self._kernels = Kernels(serverapp, self.gateway)
        self._serverapp = serverapp
        self._settings = settings
        self._logger = logger
        self._started: asyncio.Future[None] | None = None
        self.closed = False
        self._log: EventLog | None = None
        self._hub: Hub | None = None
        self.server.use(self._authenticate)

    async def ready(self) -> None:
        """Return when the hub runs; the first call starts it.

        Jupyter's start hook and every request call it: the hook runs after the server listens, and in servers of
        tests not at all.

        Raises
        ------
        Exception
            The error of opening the log, such as a ValueError for an unknown scheme.
        """
        if self._started is None:
            if self.closed:
                raise LogClosed("the server is shutting down")
            self._started = asyncio.ensure_future(self._start())
        # A request that is cancelled must not cancel the start.
        await asyncio.shield(self._started)

    @property
    def url(self) -> str:
        """The base URL at which kernels reach the server; valid once it listens."""
        return self._settings.url or kernel_url(self._serverapp)

    def status(self) -> dict[str, Any]:
        """Return the answer of `rtmsg/api/status`. Call it after `ready`."""
        assert self._hub is not None
        hub = self._hub.status()
        return {
            "version": __version__,
            "epoch": hub["epoch"],
            "log": {**hub["log"], "url": redacted(hub["log"]["url"])},
            "sessions": len(self.server.of("/").sockets),
            "rooms": hub["rooms"],
            "url": redacted(self.url),
        }

    async def close(self, reason: str) -> None:
        """Close the connections, write pending events, and release the log's file."""
        closed, self.closed = self.closed, True
        if closed or self._started is None:
            return
        await asyncio.wait([self._started], timeout=_HANDLERS)  # the start may wait for a disk that hangs
        if self._hub is not None:
            self._renames.close()
            await self.rights.close()
            await self._hub.close(reason)
        closing = [self.server.close(reason, timeout=_HANDLERS)]
        if self._log is not None:
            closing.append(self._log.close())  # at the same time: a disk that hangs may delay it
        await asyncio.gather(*closing)

    async def _start(self) -> None:
        self._log = await open_log(self._settings.log, **self._settings.log_options)
        if self._log.warning:
            self._logger.warning("rtmsg: %s", redacted(self._log.warning))
        hub = Hub(
            self.server, self._log, access=self.rights, activity=ServerActivity(self._serverapp), prove=self._prove,
            find_kernel=self._kernel, owner=lambda: self.authenticator.owner, former_names=self._former_names,
            limits=self._settings.limits, base=self._serverapp.base_url, version=__version__,
        )  # fmt: skip
        await hub.start()
        self._hub = hub
        self._renames.start(hub)
        self.rights.start()

    async def _authenticate(self, socket: Socket) -> None:
        """Middleware: authenticate a CONNECT by its HTTP handshake or the token in ``auth``, and check its rights."""
        if socket.user is None:
            principal = self._of_auth(socket)
            await upgraded(socket.session)
            socket.user = principal
        if not await self.rights.admit(socket.user):
            raise ConnectionRefused(f"{socket.user} may neither read nor write here.", {"code": "forbidden"})

    def _of_auth(self, socket: Socket) -> Principal:
        auth = socket.auth
        token = auth.get("token") if isinstance(auth, dict) else None
        if not isinstance(token, str) or not token:
            raise ConnectionRefused(f"No token was given. {HOW}", {"code": "unauthorized"})
        principal = self.authenticator.of_token(token, socket.handshake.headers, secure=socket.handshake.secure)
        if principal is None:
            raise ConnectionRefused(f"The token is wrong. {HOW}", {"code": "unauthorized"})
        return principal

    async def _prove(self, claim: Claim) -> ProvenKernel | None:
        """Check the proof of a kernel, which is valid for this server's addresses and the kernels' token only."""
        own = claim.address is None or is_own_address(claim.address, self._serverapp, self.url)
        if not own or claim.principal != str(self.authenticator.kernels):
            return None
        proved = await self._kernels.identify(claim)
        return None if proved is None else await self._kernel(proved)

    async def _kernel(self, kernel_id: str) -> ProvenKernel:
        found = await self._renames.locate(kernel_id, self._kernels.notebook)
        if found is None:
            return ProvenKernel(kernel_id)
        notebook, path = found
        return ProvenKernel(kernel_id, notebook, path, public=self.rights.shows_notebooks)

    def _former_names(self, principal: str) -> tuple[str, ...]:
        """Return former names of a principal: kernels had the only user's name while there was one."""
        return self.authenticator.former_names(principal) or ((account(),) if principal == KERNEL_TOKEN else ())

    async def _permits(self, handler: Any) -> Permits:
        """Return whose subscriptions follow a request's changes of files: the user's own, and those of the kernels."""
        if not isinstance(handler, JupyterHandler):  # the server itself
            return anybody
        actor = await self.authenticator.of_jupyter(handler)
        if actor is None or not await self.rights.may(actor, "write"):
            self._logger.info("rtmsg: %s may not write here: renaming and deleting leave subscriptions alone", actor)
            return nobody
        return {str(actor), str(self.authenticator.kernels)}.__contains__

    def _credentials(self) -> Iterable[str]:
        return [socket.user.rights_key for socket in self.server.of("/").sockets.values()]
