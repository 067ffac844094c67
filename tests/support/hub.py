"""A hub in a process of its own, which can be killed and started again on the same port.

Its process is forked off one that has imported everything: that takes a tenth of the time of a new interpreter.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from .ports import free_port

_ROOT = Path(__file__).parents[2]
TOKEN, OTHER_TOKEN = "secret", "another secret"
_USERS = {"": "alice", f"token {TOKEN}": "alice", f"token {OTHER_TOKEN}": "bob"}


IMPORTED = ["jupyter_rtmsg.hub.commands", "jupyter_rtmsg.log", "jupyter_rtmsg.server", "support.hub"]


class Child(Protocol):
    """A process that runs a hub."""

    pid: int

    def ended(self) -> bool:
        """Tell whether it has ended."""

    def wait(self) -> None:
        """Wait until it has ended, 20 s at most, and let go of it."""


_starting = threading.Lock()


@contextmanager
def _plain_main() -> Iterator[None]:
    """Hide the main module from `multiprocessing`, which would import it: a test may have put another one there."""
    with _starting:
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = main


class Forked:
    """A hub in a fork."""

    def __init__(self, arguments: tuple[Any, ...], stderr: Path | None) -> None:
        context: ForkServerContext = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(IMPORTED)
        self._pipe, theirs = context.Pipe()
        self._process: ForkServerProcess = context.Process(target=_run, args=(theirs, stderr, *arguments))
        with _plain_main():
            self._process.start()
        theirs.close()
        try:
            self._pipe.recv()
        except EOFError:
            raise RuntimeError("the hub did not start") from None
        assert self._process.pid
        self.pid = self._process.pid

    def ended(self) -> bool:
        return not self._process.is_alive()

    def wait(self) -> None:
        self._process.join(20)
        assert self.ended(), "the hub did not end within 20 s"
        self._pipe.close()


class Spawned:
    """A hub in a new interpreter: what is preloaded into it with LD_PRELOAD is loaded at its start."""

    def __init__(self, arguments: tuple[Any, ...], stderr: Path | None, environment: Mapping[str, str]) -> None:
        command = [sys.executable, "-m", "support.hub", *map(str, arguments[:2]), repr(arguments[2])]
        environment = {"PYTHONPATH": f"{_ROOT}:{_ROOT / 'tests'}", "PATH": "/usr/bin:/bin", **environment}
        with stderr.open("ab") if stderr else nullcontext() as errors:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment
            )
        assert self._process.stdout
        line = self._process.stdout.readline()
        if line != "ready\n":
            raise RuntimeError(f"the hub did not start: {line!r}")
        self.pid = self._process.pid

    def ended(self) -> bool:
        return self._process.poll() is not None

    def wait(self) -> None:
        self._process.wait(20)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()


class HubServer:
    """Server, hub and log in a child process.

    Parameters
    ----------
    log : str
        The URL of the log.
    port : int, optional
    **options
        ``limits`` (fields of the hub's `Limits`), ``kernel`` (the notebook of every kernel), ``without`` (commands
        that an older hub does not know), ``refuse`` (codes by command: each one's first calls are refused with them),
        ``id`` (that the hub claims to have), ``clock`` (a file that says by how many seconds the log's wall clock is
        wrong), ``ping_interval`` and so on, as the child takes them.
    """

    def __init__(self, log: str = "memory:", port: int | None = None, **options: Any) -> None:
        self.log = log
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}/"
        self._options = options
        self._child: Child | None = None

    def start(
        self, *, environment: Mapping[str, str] | None = None, stderr: Path | None = None, **options: Any
    ) -> HubServer:
        """Start, and return when it listens; ``options`` are added to those of all starts."""
        arguments = (self.port, self.log, self._options | options)
        self._child = Spawned(arguments, stderr, environment) if environment else Forked(arguments, stderr)
        return self

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._child
        return self._child.pid

    def kill(self) -> None:
        """End it as a crash would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in order."""
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if self._child:
            with suppress(ProcessLookupError):  # it may have ended by itself
                if not self._child.ended():
                    os.kill(self._child.pid, how)
            self._child.wait()
            self._child = None

    def restart(self) -> HubServer:
        """Kill it, and start again on the same port."""
        self.kill()
        return self.start()

    def freeze(self) -> None:
        """Stop it from answering, without closing anything."""
        assert self._child
        os.kill(self._child.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self._child
        os.kill(self._child.pid, signal.SIGCONT)

    def __enter__(self) -> HubServer:
        return self.start()

    def __exit__(self, *_: object) -> None:
        if self._child and not self._child.ended():
            self.thaw()
        self.stop()


async def serve(port: int, log_url: str, options: dict[str, Any], ready: Callable[[], None]) -> None:
    """Run a hub until SIGTERM, and call `ready` when it listens.

    What is written to the room ``$`` is not checked: rights are the extension's.
    """
    from jupyter_rtmsg.errors import ConnectionRefused
    from jupyter_rtmsg.hub import Hub, Limits
    from jupyter_rtmsg.hub.commands import COMMANDS
    from jupyter_rtmsg.hub.identity import Claim, ProvenKernel
    from jupyter_rtmsg.log import open_log
    from jupyter_rtmsg.server import Server

    limits = Limits(**options.pop("limits", {}))
    log_options = options.pop("log_options", {})
    notebook = options.pop("kernel", None)
    id = options.pop("id", None)
    for command in options.pop("without", ()):
        del COMMANDS[command]
    for command, codes in options.pop("refuse", {}).items():
        COMMANDS[command] = _refusing(COMMANDS[command], iter(codes))
    if clock := options.pop("clock", None):
        log_options["clock"] = lambda: time.time() + float(Path(clock).read_text())
    server = Server(**options)
    log = await open_log(log_url, **log_options)
    if id:
        log.id = id

    def authenticate(client: Any) -> None:
        client.user = _USERS.get(client.handshake.headers.get("Authorization", ""))
        if client.user is None:
            raise ConnectionRefused("wrong token", {"code": "unauthorized"})

    server.use(authenticate)

    async def proved(claim: Claim) -> ProvenKernel | None:
        return ProvenKernel(claim.kernel, notebook) if claim.kernel else None

    hub = Hub(server, log, limits=limits, prove=proved if notebook else None)
    await hub.start()
    server.on("connection", _plain)
    await server.listen(port)
    ready()
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    await stopped.wait()
    await hub.close()
    await asyncio.gather(server.close(timeout=2), log.close())


def _refusing(command: Any, codes: Iterator[str]) -> Any:
    from jupyter_rtmsg.errors import CommandError

    def refusing(hub: Any, connection: Any, request: Any) -> Any:
        if (code := next(codes, None)) is not None:
            raise CommandError.of(code, "refused by the test")
        return command(hub, connection, request)

    return refusing


def _plain(client: Any) -> None:
    """Answer a few plain Socket.IO events, as an application of one's own would."""
    client.on("sum", lambda a, b: a + b)
    client.on("echo", lambda *args: args)
    client.on("ask me", lambda question: client.emit("question", question))


def _run(pipe: Connection, stderr: Path | None, port: int, log_url: str, options: dict[str, Any]) -> None:
    """Be the hub, in a fork."""
    if stderr:
        with stderr.open("ab") as errors:
            os.dup2(errors.fileno(), 2)
    # Be no orphan when the tests are killed: the other end of the pipe closes then.
    threading.Thread(target=lambda: (pipe.poll(None), os._exit(1)), daemon=True).start()
    asyncio.run(serve(port, log_url, options, lambda: pipe.send("ready")))


def _end_with_parent() -> None:
    """Be no orphan when the tests are killed: the other end of stdin closes then."""
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    import ast

    threading.Thread(target=_end_with_parent, daemon=True).start()
    options = ast.literal_eval(sys.argv[3])
    asyncio.run(serve(int(sys.argv[1]), sys.argv[2], options, lambda: print("ready", flush=True)))
