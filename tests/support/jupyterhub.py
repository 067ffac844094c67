"""A real JupyterHub with configurable-http-proxy in front, and the servers of its users."""

from __future__ import annotations

import http.cookiejar
import json
import os
import re
import signal
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import neighbours
from .jupyter import DEADLINE, Answer, JupyterServer, wait_until
from .ports import free_port

ADMIN = "a-service-that-may-do-everything"

# Each server reports its activity every second, and nothing else is looked at: not what the proxy has seen.
CONFIG = """
c = get_config()
c.JupyterHub.bind_url = "http://127.0.0.1:{port}/jhub/"
c.JupyterHub.hub_bind_url = "http://127.0.0.1:{hub_port}/"
c.JupyterHub.db_url = "sqlite:///{home}/hub.sqlite"
c.JupyterHub.cookie_secret_file = "{home}/secret"
c.JupyterHub.last_activity_interval = 0
c.JupyterHub.allow_named_servers = True
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{proxy_port}"
c.ConfigurableHTTPProxy.command = ["{proxy}"]
c.ConfigurableHTTPProxy.pid_file = "{home}/proxy.pid"
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = "{home}/{{username}}"
c.Spawner.cmd = ["{singleuser}"]
c.Spawner.args = ["--allow-root"]
c.Spawner.notebook_dir = "{home}/{{username}}/root"
c.Spawner.environment = {environment} | {{
    name: lambda spawner, folder=folder: "{home}/" + spawner.user.name + "/" + folder
    for name, folder in {folders}.items()
}}
c.SimpleLocalProcessSpawner.interrupt_timeout = 1
c.Spawner.http_timeout = c.Spawner.start_timeout = {deadline}
c.JupyterHub.services = [{{"name": "tests", "api_token": "{admin}"}}]
scopes = ["admin:users", "admin:servers", "tokens", "access:servers"]
c.JupyterHub.load_roles = [{{"name": "tests", "services": ["tests"], "scopes": scopes}}]
"""
FOLDERS = {
    "IPYTHONDIR": "ipython",
    "JUPYTER_CONFIG_DIR": "config",
    "JUPYTER_DATA_DIR": "data",
    "JUPYTER_RUNTIME_DIR": "runtime",
}


class JupyterHub:
    """JupyterHub, its proxy and its users' servers, isolated in a directory.

    Parameters
    ----------
    home : Path
        Everything lives in here, also the homes of the users.
    lab : bool
        Serve JupyterLab to the users, which takes a few seconds more.
    """

    def __init__(self, home: Path, *, lab: bool = False) -> None:
        self.home = home
        self.lab = lab
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/jhub/"
        self.log_path = home / "hub.log"
        self._process: subprocess.Popen[bytes] | None = None
        (home / "jupyterhub_config.py").write_text(self._config())

    def __enter__(self) -> JupyterHub:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> JupyterHub:
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [neighbours.program("jupyterhub"), "-f", "jupyterhub_config.py"],
                stdout=log, stderr=subprocess.STDOUT, env=self._variables(), cwd=self.home,
            )  # fmt: skip
        try:
            wait_until(self._answers, "JupyterHub answers")
        except BaseException:
            self.stop()  # nobody else would
            raise
        return self

    def stop(self) -> None:
        """Stop it, with its proxy and the servers of its users."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise AssertionError(f"it did not stop; its log:\n{self.log_path.read_text()}") from None
        finally:
            self._process = None

    def request(self, method: str, path: str, body: Any = None, *, token: str = ADMIN) -> Answer:
        """Send a request to JupyterHub's API."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"token {token}"}
        request = urllib.request.Request(f"{self.url}hub/api/{path}", data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=DEADLINE) as response:
                return Answer(response.status, response.headers, response.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.headers, error.read())

    def add_user(self, name: str) -> None:
        assert self.request("POST", f"users/{name}").status == 201

    def token(self, user: str, **body: Any) -> str:
        """Make a token of a user, as people do on their token page."""
        return str(self.request("POST", f"users/{user}/tokens", body).json()["token"])

    def server(self, user: str, name: str = "", **options: Any) -> UserServer:
        """Return the server of a user, not yet started; options are those of `UserServer`."""
        return UserServer(self, user, name, **{"token": self.token(user), **options})

    def login(self, user: str, server: UserServer) -> str:
        """Log in as people do, go to a server, and return the cookies that a browser would send there."""
        jar = http.cookiejar.CookieJar()
        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
        page = browser.open(f"{self.url}hub/login", timeout=DEADLINE).read().decode()
        match = re.search(r'name="_xsrf" value="([^"]+)"', page)
        assert match, page
        form = urllib.parse.urlencode({"username": user, "password": "any", "_xsrf": match[1]}).encode()
        browser.open(f"{self.url}hub/login?next=", form, timeout=DEADLINE).read()
        browser.open(f"{server.url}api/me", timeout=DEADLINE).read()
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in jar if server.path.startswith(cookie.path))

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"JupyterHub ended; its log:\n{self.log_path.read_text()}"
        try:
            return self.request("GET", "").status == 200
        except OSError:
            return False

    def _config(self) -> str:
        environment = {"PATH": self._variables()["PATH"], "JUPYTERHUB_ACTIVITY_INTERVAL": "1"}
        if "PYTHONPATH" in os.environ:
            environment["PYTHONPATH"] = os.environ["PYTHONPATH"]
        if not self.lab:
            environment["JUPYTERHUB_SINGLEUSER_APP"] = "jupyter-server"
        return CONFIG.format(
            home=self.home,
            port=self.port,
            hub_port=free_port(),
            proxy_port=free_port(),
            proxy=neighbours.PROXY,
            singleuser=neighbours.program("jupyterhub-singleuser"),
            environment=environment,
            folders=FOLDERS,
            deadline=int(DEADLINE),
            admin=ADMIN,
        )

    def _variables(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "RTMSG", "JPY"))}
        path = os.pathsep.join([str(neighbours.PYTHON.parent), os.environ.get("PATH", os.defpath)])
        return {**kept, "HOME": str(self.home), "PATH": path}


class UserServer(JupyterServer):
    """A user's server, reached through the proxy; JupyterHub starts and stops it.

    Parameters
    ----------
    hub : JupyterHub
    user, name : str
        A named server is one beside the first of its user.
    token : str
        What requests show.
    config : mapping, optional
        As for `JupyterServer`, for all servers of the user.
    """

    def __init__(
        self,
        hub: JupyterHub,
        user: str,
        name: str,
        *,
        token: str,
        config: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self.path = f"/jhub/user/{user}/{name + '/' if name else ''}"
        super().__init__(hub.home / user, token=token, config=config, base_url=self.path, python=neighbours.PYTHON)
        self.url = f"http://127.0.0.1:{hub.port}{self.path}"
        self.hub_url = hub.url
        self._hub = hub
        self._user = user
        self._name = name

    def __enter__(self) -> UserServer:
        return self.start()

    def start(self, wait: bool = True) -> UserServer:
        assert self._hub.request("POST", self._place).status in (201, 202)
        wait_until(lambda: self._model().get("ready"), "the server is ready")
        return self

    def stop(self) -> int:
        for kernel in list(self._clients):
            self._forget(kernel)
        assert self._hub.request("DELETE", self._place).status in (202, 204)
        wait_until(lambda: not self._model(), "the server has stopped")
        return 0

    def last_activity(self) -> str:
        """Return what JupyterHub knows of the activity of this server."""
        return str(self._model()["last_activity"])

    @property
    def _place(self) -> str:
        return f"users/{self._user}/servers/{self._name}"

    def _model(self) -> dict[str, Any]:
        servers = self._hub.request("GET", f"users/{self._user}").json()["servers"]
        return dict(servers.get(self._name, {}))

    def _write_config(self, config: Mapping[str, Mapping[str, Any]], base_url: str) -> None:
        """Write what is true of every server of the user; JupyterHub gives the rest as arguments."""
        for directory in (self.root, self.data, self.runtime, self.home / "config", self.home / "ipython"):
            directory.mkdir(parents=True, exist_ok=True)
        heartbeat = {"ping_interval": 0.5, "ping_timeout": 2 * DEADLINE}
        settings = {**neighbours.extensions("jupyterhub", "jupyterlab"), "RtmsgApp": heartbeat, **config}
        (self.home / "config" / "jupyter_server_config.json").write_text(json.dumps(settings))
