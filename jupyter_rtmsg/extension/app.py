"""The Jupyter server extension."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from jupyter_core.paths import jupyter_data_dir
from jupyter_server.extension.application import ExtensionApp
from jupyter_server.serverapp import ServerApp
from traitlets import Bool, Enum, Float, Integer, Unicode, default

from ..redaction import redacted
from ..server import bundle_pattern, paths_below
from .authenticator import Authenticator
from .environment import KernelEnvironment, certificate_of
from .handlers import PublicBundleHandler, SocketHandler, StatusHandler
from .limits import LimitTraits
from .service import Service, Settings
from .single_user import SingleUser
from .tokens import scoped_token

DAY = 86_400
UNAUTHENTICATED_LIMITS = {
    "connect_timeout": 10.0,
    "max_pending": 512,
    "max_pending_per_address": 128,
    "max_pending_payload": 64 * 1024,
}
"""Limits of connections before they are authenticated: seconds until they must be, their number in all and from one
address, and the bytes of a message."""


class RtmsgApp(LimitTraits, ExtensionApp):
    """Rooms with a memory for notebooks, browsers and Socket.IO clients, at ``<base_url>socket.io/``."""

    name = "jupyter_rtmsg"
    description = __doc__

    log_url = Unicode(
        help="Where events are kept: `sqlite:////absolute/path.sqlite3`, or `memory:` to keep nothing beyond the "
        "server's life. By default `rtmsg/log.sqlite3` in Jupyter's data directory (`jupyter --data-dir`). "
        "Keep it off network file systems."
    ).tag(config=True)

    @default("log_url")
    def _default_log_url(self) -> str:
        return f"sqlite:///{data_directory() / 'log.sqlite3'}"

    durability = Enum(
        ["full", "process"],
        "full",
        help="`full`: an acknowledged event survives the loss of power. "
        "`process`: only the death of the server, but faster on slow disks.",
    ).tag(config=True)
    max_events = Integer(
        100_000, help="The number of events that are kept in each room; the oldest are removed first."
    ).tag(config=True)
    max_age = Float(30 * DAY, help="Seconds that an event is kept (default: 30 days).").tag(config=True)
    max_bytes = Integer(256 << 20, help="Bytes of all events that are kept together (default: 256 MiB).").tag(
        config=True
    )

    url = Unicode(
        help="The base URL at which kernels reach this server, given to them as RTMSG_URL. "
        "Found out by default. Set it if kernels run on other machines, e.g. `https://hub.example.org/user/alice/`."
    ).tag(config=True)

    single_user = Bool(
        None,
        allow_none=True,
        help="Whether all connections belong to one user, the account that runs the server. Found out by default: true "
        "if the server knows one token or password only, and no extension for collaboration is enabled.",
    ).tag(config=True)

    ping_interval = Float(25.0, help="Seconds between two heartbeats.").tag(config=True)
    ping_timeout = Float(20.0, help="Seconds within which a client must answer a heartbeat.").tag(config=True)

    def initialize_settings(self) -> None:
        """Build the hub. It starts with the event loop."""
        scrubbed = self.settings.get("extra_log_scrub_param_keys", [])
        # Anybody who knows the id of a session can send in its name, so it must not be in a log.
        self.settings["extra_log_scrub_param_keys"] = [*scrubbed, "sid"]
        self._environment = KernelEnvironment()
        self._token = self._scoped_token()
        self._service = self._make_service()

    def initialize_handlers(self) -> None:
        """Add the endpoints."""
        options = {"service": self._service}
        self.handlers += [
            (bundle_pattern("socket.io"), PublicBundleHandler),
            (paths_below("socket.io"), SocketHandler, options),  # all other paths
            (r"rtmsg/api/status", StatusHandler, options),
        ]

    async def _start_jupyter_server_extension(self, serverapp: ServerApp) -> None:
        """Give kernels the address of the hub, now that the port is known, and start it."""
        if self._service.closed:  # stopped before it had begun
            return
        certificate = {} if self.url else certificate_of(serverapp)
        variables = {"RTMSG_URL": self._service.url, "RTMSG_TOKEN": self._token, **certificate}
        self._service.gateway.start(variables)
        self._environment.set(variables)
        await self._service.ready()
        self.log.info("rtmsg: the hub is at %ssocket.io/", redacted(self._service.url))

    async def stop_extension(self) -> None:
        """Close the connections and the log."""
        self._environment.clear()
        self._service.gateway.stop()
        await self._service.close("server shutting down")

    def _scoped_token(self) -> str:
        path = data_directory() / "token"
        try:
            return scoped_token(path)
        except OSError as error:
            self.log.warning(
                "rtmsg: the token cannot be stored in %s (%s): each start makes a new one, which older kernels lack",
                path,
                error,
            )
            return secrets.token_urlsafe(32)

    def _make_service(self) -> Service:
        assert self.serverapp is not None
        only_user = SingleUser(self.serverapp, self.single_user)
        authenticator = Authenticator(self.serverapp.web_app.settings, self._token, only_user)
        owned = bool(os.environ.get("JUPYTERHUB_USER"))
        return Service(self.serverapp, self._service_settings(), authenticator, self.log, owned=owned)

    def _service_settings(self) -> Settings:
        log = ("durability", "max_events", "max_age", "max_bytes")
        heartbeat = {"ping_interval": self.ping_interval, "ping_timeout": self.ping_timeout}
        return Settings(
            log=self.log_url,
            url=self.url,
            log_options={name: getattr(self, name) for name in log},
            server_options={**heartbeat, **self.server_limits(), **UNAUTHENTICATED_LIMITS},
            limits=self.hub_limits(),
        )


def data_directory() -> Path:
    """Return the directory of the log and the token."""
    return Path(jupyter_data_dir()) / "rtmsg"
