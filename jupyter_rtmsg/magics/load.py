"""Defines the magic in a shell of IPython. What it does is imported when it is first used."""

from __future__ import annotations

from importlib import import_module
from itertools import takewhile
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from IPython.core.magic import no_var_expand

if TYPE_CHECKING:
    from .magic import Magic

NAME = "rtmsg"
_CELL = f"%%{NAME}"


class Definition:
    """The magic of one shell, with what completes it and what rewrites its cells.

    Parameters
    ----------
    shell : InteractiveShell
    """

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._made: Magic | None = None
        self._ended = False

    def begin(self) -> None:
        """Define all of it."""
        self._shell.register_magic_function(self.run, "line_cell", NAME)
        self._shell.input_transformers_cleanup.append(rewrite)
        for key in (f"%{NAME}", _CELL):
            self._shell.set_hook("complete_command", self.complete, str_key=key)

    def end(self) -> None:
        """Take back all of it; IPython keeps the completer, which then finds nothing."""
        for kind in ("line", "cell"):
            self._shell.magics_manager.magics[kind].pop(NAME, None)
        self._shell.input_transformers_cleanup.remove(rewrite)
        self._ended = True
        if self._made is not None:
            self._made.close()

    @no_var_expand  # braces are JSON
    def run(self, line: str, cell: str | None = None) -> None:
        """Rooms and events in a line: ``%rtmsg --help`` lists the commands, ``%rtmsg emit --help`` explains one."""
        self._magic.run(line, cell)

    def complete(self, _: Any, event: Any) -> list[str]:
        """Complete a line of the magic. IPython calls this, with the shell first."""
        return [] if self._ended else self._magic.complete(event.text_until_cursor, event.symbol)

    @property
    def _magic(self) -> Magic:
        if self._made is None:
            self._made = import_module(".magic", __package__).Magic(self._shell)
        return self._made


def rewrite(lines: list[str]) -> list[str]:
    """Rewrite the lines ``%%rtmsg`` at the top of a cell: they become line magics, and the rest stays as it is.

    So the rest is an ordinary cell: its value is shown, a traceback has its line numbers, and it may ``await``.
    """
    top = list(takewhile(lambda line: line.split(None, 1)[:1] == [_CELL], lines))
    return [*(f"%{NAME} --cell{line.strip()[len(_CELL) :]}\n" for line in top), *lines[len(top) :]]


_loaded: WeakKeyDictionary[Any, Definition] = WeakKeyDictionary()


def load(shell: Any) -> None:
    """Define the magic in a shell, once.

    Parameters
    ----------
    shell : InteractiveShell
    """
    if shell not in _loaded:
        _loaded[shell] = Definition(shell)
        _loaded[shell].begin()


def unload(shell: Any) -> None:
    """Take the magic out of a shell."""
    definition = _loaded.pop(shell, None)
    if definition is not None:
        definition.end()
