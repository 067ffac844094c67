"""What a user should read in the cell that is responsible for it, once."""

from __future__ import annotations

import os
import warnings
from collections import deque
from collections.abc import Mapping

from .hello import Hello
from .kernel import is_kernel


class Notices:
    """Warnings that arise on the I/O loop, and are given where the user waits for an answer. Any thread may use it."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._waiting: deque[tuple[str, type[Warning]]] = deque()

    def add(self, key: str, text: str, category: type[Warning] = UserWarning) -> None:
        """Keep a warning until `show`, unless there was one under this key before."""
        if key not in self._known:
            self._known.add(key)
            self._waiting.append((text, category))

    def show(self, stacklevel: int = 1) -> None:
        """Warn of everything that waits; ``stacklevel`` counts from the caller, see `warnings.warn`."""
        while self._waiting:
            text, category = self._waiting.popleft()
            warnings.warn(text, category, stacklevel=stacklevel + 1)


def add_join_notices(notices: Notices, room: str, place: str | None, url: str, hello: Hello, *, asked: bool) -> None:
    """Say why the hub remembers no place for this client, which joined a room without a name of its own.

    Parameters
    ----------
    notices : Notices
    room : str
    place : str or None
        ``"taken"`` where another connection of this process has the notebook's place.
    url : str
        Of the server.
    hello : Hello
    asked : bool
        Whether the join said where to start, and so expects no place.
    """
    name = f"give it a name of its own: join({room!r}, as_='...')"
    if place == "taken":
        notices.add(
            "place",
            f"room {room!r}: another client of this process has the place of this notebook. This one is a member "
            f"beside it: it gets what comes, and missed() is empty. Use the room of the first client, or {name}",
        )
    elif not asked and is_kernel() and not _is_dashboard():
        why = (
            f"the Jupyter server at {url} does not know this kernel, and so not its notebook (nbclient, papermill and "
            "VS Code start kernels of their own)"
            if hello.kind != "kernel"
            else "the server knows no notebook that runs in this kernel (is it a console?)"
        )
        notices.add(
            "notebook",
            f"room {room!r}: {why}. So the hub does not remember how far it has read: it gets what comes, and "
            f"missed() is empty. To find out next time what was missed, {name}",
        )


def _is_dashboard(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether this kernel is one of Voilà's: those who look at its outputs did not write the notebook."""
    return "VOILA_PREHEAT" in environment
