"""Renames, deletions and look-ups of kernels in any order, over real files and with Jupyter's own events."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from jupyter_events import EventLogger
from jupyter_server import DEFAULT_EVENTS_SCHEMA_PATH
from jupyter_server.services.contents.filemanager import AsyncFileContentsManager

from jupyter_rtmsg.extension.renames import CONTENTS, Renames
from jupyter_rtmsg.hub import Limits, Permits, anybody
from jupyter_rtmsg.hub.names import SubscriptionName
from jupyter_rtmsg.hub.subscriptions import SubscriptionRegistry
from jupyter_rtmsg.log import StoredSubscription, open_log

NOTEBOOK = '{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'
FILES, DIRECTORIES, STEPS = ("a.ipynb", "b.ipynb", "c.md"), ("d", "e"), 30
REQUEST = 4
"""Turns of the loop that a request takes at least."""


class Sessions:
    """The sessions of a Jupyter server: each has a kernel, and a path that its front-end may be late to change."""

    def __init__(self) -> None:
        self.paths: dict[str, str] = {}

    async def list_sessions(self) -> list[dict[str, Any]]:
        return [{"type": "notebook", "path": path, "kernel": {"id": kernel}} for kernel, path in self.paths.items()]


class Server:
    """What `Renames` needs of a server. A notebook is known by what is written in it: a number."""

    def __init__(self, root: Path, subscriptions: SubscriptionRegistry) -> None:
        self.root = root
        self.event_logger = EventLogger()
        self.event_logger.register_event_schema(DEFAULT_EVENTS_SCHEMA_PATH / "contents_service" / "v1.yaml")
        self.contents_manager = AsyncFileContentsManager(
            root_dir=str(root), event_logger=self.event_logger, delete_to_trash=False, always_delete_dir=True
        )
        self.session_manager = Sessions()
        self.subscriptions = subscriptions
        self.renames = Renames(self, self.permits)  # type: ignore[arg-type]
        self.renames.start(self)
        self.known: dict[str, str] = {}  # the real path of each kernel that is connected
        self.numbers: dict[str, int] = {}  # which notebook each kernel runs
        self.rows: dict[StoredSubscription, int] = {}  # ... and each subscription is of
        self.alive: set[int] = set()
        self.made = 0

    async def permits(self, handler: Any) -> Permits:
        return anybody

    # --- what the hub does

    def rename(self, old: str, new: str, label: str, *, was: str | None = None, permits: Permits) -> None:
        self.subscriptions.move_path(old, new, label, was=was, permits=permits)
        for kernel, path in self.known.items():
            if path == old or path.startswith(old + "/"):
                self.known[kernel] = new + path[len(old) :]

    def delete(self, path: str, *, permits: Permits) -> None:
        self.subscriptions.end_path(path, permits)

    def join(self, kernel: str, room: str) -> None:
        path = self.known[kernel]
        name = SubscriptionName.of_notebook(path, path)
        row = self.subscriptions.find("ann", room, name) or self.subscriptions.begin("ann", room, name, 0, 0)
        assert self.rows.setdefault(row, self.numbers[kernel]) == self.numbers[kernel], "another notebook's place"

    # --- what people do

    def make(self, path: str) -> None:
        """Save a new notebook, with a session."""
        file = self.root / path
        if file.exists():
            return
        file.parent.mkdir(exist_ok=True)
        self.made += 1
        file.write_text(f"{self.made} {NOTEBOOK}")
        self.alive.add(self.made)
        kernel = f"k{self.made}"
        self.session_manager.paths[kernel], self.numbers[kernel] = path, self.made

    def entries(self, *, directories: bool) -> list[str]:
        """Return the directories or the notebooks that there are."""
        found = [each for each in self.root.rglob("*") if each.is_dir() == directories and each.name[0] != "."]
        return sorted(str(each.relative_to(self.root)) for each in found)

    def number(self, path: str) -> int:
        return int((self.root / path).read_text().split()[0])

    def beneath(self, path: str) -> set[int]:
        file = self.root / path
        files = [file] if file.is_file() else [each for each in file.rglob("*") if each.is_file()]
        return {int(each.read_text().split()[0]) for each in files}

    async def move(self, old: str, new: str) -> None:
        possible = (self.root / old).exists() and (self.root / new).parent.is_dir()
        if possible and not (self.root / new).exists() and not new.startswith(old + "/"):
            await self.contents_manager.rename(old, new)

    async def remove(self, path: str) -> None:
        """Delete a file or a directory, and close the sessions of what is gone, as front-ends do before."""
        if (self.root / path).exists():
            gone = self.beneath(path)
            for kernel, number in self.numbers.items():
                if number in gone:
                    self.session_manager.paths.pop(kernel, None)
                    self.known.pop(kernel, None)
            self.alive -= gone
            await self.contents_manager.delete(path)

    async def connect(self, kernel: str, room: str) -> None:
        """Have a kernel say who it is, and join a room."""

        async def find(kernel: str) -> str | None:
            return self.session_manager.paths.get(kernel)

        located = await self.renames.locate(kernel, find)
        if located is not None and self.numbers[kernel] in self.alive:
            self.known[kernel] = located[1]
            self.join(kernel, room)

    def patch(self, kernel: str) -> None:
        """Give a session the path that its notebook has now, as a front-end does at last."""
        for file in self.root.rglob("*"):
            if file.is_file() and int(file.read_text().split()[0]) == self.numbers[kernel]:
                self.session_manager.paths[kernel] = str(file.relative_to(self.root))

    def check(self) -> None:
        for kernel, path in self.known.items():
            assert self.number(path) == self.numbers[kernel]
        for row, number in self.rows.items():
            assert (row.ended is None) == (number in self.alive)
            if row.ended is None:
                assert row.path
                assert self.number(row.path) == number


paths = st.builds(
    lambda directory, name: f"{directory}/{name}" if directory else name,
    st.sampled_from(("", *DIRECTORIES)),
    st.sampled_from(FILES),
)
some = st.integers(0, 20)  # one of what there is
steps = st.lists(
    st.one_of(
        st.tuples(st.just("make"), paths),
        st.tuples(st.just("connect"), some, st.sampled_from(("lab", "other"))),
        st.tuples(st.just("connect"), some, st.just("lab")),
        st.tuples(st.just("move"), some, paths),
        st.tuples(st.just("move"), some, st.sampled_from(DIRECTORIES)),
        st.tuples(st.just("remove"), some),
        st.tuples(st.just("patch"), some),
        st.tuples(st.just("wait"), st.integers(1, 8)),
    ),
    min_size=4,
    max_size=STEPS,
)


async def run(root: Path, script: list[tuple[Any, ...]]) -> None:
    log = await open_log("memory:")
    server = Server(root, SubscriptionRegistry(log, Limits()))
    server.make("a.ipynb")
    connecting: list[asyncio.Task[None]] = []
    for step in script:
        connecting += await take(server, *step)
    await asyncio.gather(*connecting)
    while server.event_logger._active_listeners:
        await asyncio.gather(*list(server.event_logger._active_listeners))
    server.check()
    server.renames.close()
    await log.close()


async def take(server: Server, name: str, first: Any, *rest: Any) -> list[asyncio.Task[None]]:
    """Take a step; return what goes on beside the next ones."""
    kernels = sorted(server.session_manager.paths)
    for _ in range(REQUEST):
        await asyncio.sleep(0)
    if name == "make":
        server.make(first)
    elif name == "wait":
        for _ in range(first):
            await asyncio.sleep(0)
    elif name == "move" and (entries := server.entries(directories=rest[0] in DIRECTORIES)):
        await server.move(entries[first % len(entries)], *rest)
    elif name == "remove" and (entries := server.entries(directories=first > 15)):
        await server.remove(entries[first % len(entries)])
    elif name == "patch" and kernels:
        server.patch(kernels[first % len(kernels)])
    elif name == "connect" and kernels:
        return [asyncio.create_task(server.connect(kernels[first % len(kernels)], *rest))]
    return []


@settings(max_examples=150, deadline=None)
@given(steps)
def test_every_subscription_stays_with_its_notebook_whatever_happens_when(script: list[tuple[Any, ...]]) -> None:
    with tempfile.TemporaryDirectory() as home:
        root = Path(home).resolve() / "root"
        root.mkdir()
        asyncio.run(run(root, script))


def test_the_events_are_those_of_jupyters_contents_service() -> None:
    assert AsyncFileContentsManager.event_schema_id == CONTENTS


async def test_renames_without_end_keep_no_kernel_out(tmp_path: Path) -> None:
    log = await open_log("memory:")
    server = Server(tmp_path, SubscriptionRegistry(log, Limits()))
    server.make("a.ipynb")
    going = True

    async def permits(handler: Any) -> Permits:
        if going:  # another one has been heard of before this one is followed
            server.event_logger.emit(schema_id=CONTENTS, data={"action": "rename", "path": "y", "source_path": "x"})
        return anybody

    server.renames = Renames(server, permits)  # type: ignore[arg-type]
    server.renames.start(server)
    server.event_logger.emit(schema_id=CONTENTS, data={"action": "rename", "path": "y", "source_path": "x"})

    async def find(kernel: str) -> str | None:
        return server.session_manager.paths.get(kernel)

    located = await asyncio.wait_for(server.renames.locate("k1", find), 10)
    going = False
    await server.event_logger.gather_listeners()
    assert located is not None
    assert located[0] == "a.ipynb"
    await log.close()
