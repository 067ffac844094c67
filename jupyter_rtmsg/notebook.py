"""The rule of re-run cells: which handlers are removed when a cell of a notebook registers a new one.

Server and client both apply it (docs/client.md, "Handlers and cells"):

1. When a new execution of a cell registers its first handler on a target (a room, a socket, a namespace), all handlers
   that earlier executions of that cell registered on that target are removed, for all events. Handlers of one execution
   never replace each other: a loop may register five. An older execution that registers late removes nothing.
2. If the frontend sends no cell ids, and in scripts on the client's side, a handler replaces those of the same event
   whose function has the same module and qualified name. Lambdas and nested functions are never replaced this way:
   two handlers made by ``require("a")`` and ``require("b")`` both stay. Outside of IPython a server replaces nothing.
3. The same function, registered again for the same event, is one handler.

A handler that a handler, a task or a thread registers belongs to the execution that registered that handler, or started
that task or thread. A handler that a module registers while it is imported belongs to no execution: it is not
registered again when the cell runs again.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import Context, ContextVar, copy_context
from types import BuiltinMethodType, CoroutineType, FrameType, MethodType
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from .output import Sink, prepare_thread, route

Function = Callable[..., Any]
_METHODS = (MethodType, BuiltinMethodType)
_IMPORTS = ("_load_unlocked", "_exec")  # the functions of importlib that import and reload a module


class Execution(NamedTuple):
    """One execution of a cell.

    Attributes
    ----------
    cell : str or None
        The frontend's id of the cell; None if it sends none.
    number : int
        Counts the executions of this kernel. ``%reset`` sets IPython's own count back.
    request : str or None
        The id of the execute request.
    """

    cell: str | None
    number: int
    request: str | None


_execution: ContextVar[Execution | None] = ContextVar("jupyter_rtmsg_execution")
_call: ContextVar[tuple[object, int] | None] = ContextVar("jupyter_rtmsg_call", default=None)


class Executions:
    """Tracks which cell an IPython shell is executing.

    A context variable holds the execution; tasks and handlers inherit it. Threads do not inherit it in Python, so each
    thread is recorded with the newest execution at the time when it was first seen.

    Parameters
    ----------
    shell : InteractiveShell
    """

    def __init__(self, shell: Any) -> None:
        self.shell = shell
        self._inner: list[Any] = []  # IPython's infos of code that cells run with `run_cell`
        self._threads: WeakKeyDictionary[threading.Thread, Execution] = WeakKeyDictionary()
        self._newest = _asked_for(shell, 0)
        if threading.current_thread() is threading.main_thread():
            _execution.set(self._newest)
        shell.events.register("pre_run_cell", self._begins)
        shell.events.register("post_run_cell", self._ended)

    def this(self) -> Execution | None:
        """Return the execution of the caller; None for example in a callback of a widget."""
        try:
            return _execution.get()
        except LookupError:
            thread = threading.current_thread()
            return None if thread is threading.main_thread() else self._threads.get(thread, self._newest)

    def _begins(self, info: Any = None) -> None:
        outer, new = _execution.get(None), _asked_for(self.shell, self._newest.number + 1)
        if outer and outer.request is not None and outer.request == new.request:
            self._inner.append(info)  # the cell runs code by `run_cell`, which belongs to that cell
            return
        for thread in threading.enumerate():
            self._threads.setdefault(thread, self._newest)
        self._newest = new
        _execution.set(new)

    def _ended(self, result: Any = None) -> None:
        info = getattr(result, "info", None)
        if info in self._inner:
            self._inner.remove(info)
        else:
            _execution.set(None)  # callbacks of widgets run in this context between the cells


_followed: Executions | None = None


def in_notebook() -> bool:
    """Return whether IPython runs this code."""
    return _shell() is not None


def this_execution() -> Execution | None:
    """Return the execution of a cell that the caller belongs to; None outside of notebooks."""
    global _followed
    shell = _shell()
    if shell is None:
        return None
    if _followed is None or _followed.shell is not shell:
        _followed = Executions(shell)
    return _followed.this()


@contextmanager
def outside_cells() -> Iterator[None]:
    """Let handlers registered in this block belong to no cell: for a library that registers its handlers only once."""
    token = _execution.set(None)
    try:
        yield
    finally:
        _execution.reset(token)


def _importing() -> bool:
    """Return whether the caller runs inside of an import that the cell makes."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - as `inspect.currentframe` does
    while frame is not None and not frame.f_code.co_filename.endswith("interactiveshell.py"):
        if frame.f_code.co_name in _IMPORTS and "importlib" in frame.f_code.co_filename:
            return True
        frame = frame.f_back
    return False


def _shell() -> Any:
    ipython = sys.modules.get("IPython")
    get_ipython = getattr(ipython, "get_ipython", None)
    return get_ipython and get_ipython()


def _asked_for(shell: Any, number: int) -> Execution:
    """Return the execution for the shell's current request. Only shells of ipykernel have one."""
    get_parent = getattr(shell, "get_parent", None)
    request = get_parent() if get_parent else None
    if not isinstance(request, Mapping):
        return Execution(None, number, None)
    return Execution(_cell_id(request), number, request.get("header", {}).get("msg_id"))


def _cell_id(request: Mapping[str, Any]) -> str | None:
    """Return the id of the cell that sent a request, or None.

    JupyterLab, Notebook 7 and VS Code send ``cellId``, Colab ``colab.cell_id``; nbclient and most consoles send none.
    VS Code's interactive window makes a new id for each input, also if the same code runs again: such ids are ignored.
    """
    metadata = request.get("metadata") or {}
    colab = metadata.get("colab")
    id = metadata.get("cellId") or (isinstance(colab, Mapping) and colab.get("cell_id"))
    return id if id and isinstance(id, str) and ".interactive#" not in id else None


class RegisteredFunction:
    """A registered function, with the context and the execution that registered it.

    It is called in that context, so that its output appears below its cell (`jupyter_rtmsg.output`).

    Parameters
    ----------
    function : callable
        Sync or async.
    sink : Sink, optional
        Takes the text that the function prints, and its displays.

    Attributes
    ----------
    execution : Execution or None
    calling : tuple or None
        If a handler that uses `count_call` registered this function: that handler, and the number of its call.
    took_over : bool
        Whether it has the place of a function from an earlier execution of its cell.
    """

    __slots__ = ("_calls", "calling", "context", "execution", "function", "took_over")

    def __init__(self, function: Function, sink: Sink | None = None) -> None:
        self.function = function
        self.took_over = False
        execution = this_execution()
        self.execution = None if execution and _importing() else execution
        self.calling = _call.get()
        self.context: Context = copy_context()
        self.context.run(_execution.set, self.execution)  # the handlers that it registers belong to this execution
        route(self.context, sink)
        self._calls = 0

    def __repr__(self) -> str:
        return repr(self.function)

    def call(self, *args: Any) -> Any:
        """Call the function in its context; an async one returns its coroutine. `prepare_thread` must precede it."""
        # In a copy: a context cannot be entered twice at a time, and events must not see each other's variables.
        return self.context.copy().run(self.function, *args)

    def count_call(self) -> None:
        """Count a call that is about to begin. Handlers that it registers replace those of the earlier calls.

        For handlers of ``connect`` and similar events, which register the same handlers after each reconnect.
        """
        self._calls += 1
        self.context.run(_call.set, (self, self._calls))

    def outdates(self, old: RegisteredFunction) -> bool:
        """Return whether an earlier execution of the same cell registered ``old``."""
        new, earlier = self.execution, old.execution
        return (
            new is not None
            and earlier is not None
            and new.cell is not None
            and new.cell == earlier.cell
            and new.number > earlier.number
        )

    def replaces(self, old: RegisteredFunction) -> bool:
        """Return whether this function replaces ``old``, which is registered for the same event of the same target."""
        return self.outdates(old) or is_same(self.function, old.function) or self._repeats(old) or self._redefines(old)

    def _repeats(self, old: RegisteredFunction) -> bool:
        """Return whether an earlier call of the same handler registered ``old``, and both have the same code."""
        new, earlier = self.calling, old.calling
        if new is None or earlier is None or new[0] is not earlier[0] or new[1] == earlier[1]:
            return False
        return _code(self.function) is _code(old.function)

    def place(self, others: Sequence[RegisteredFunction | None]) -> tuple[int, list[int]]:
        """Return this function's place among the handlers of the same event, and the places of those that it replaces.

        The handlers that a cell registers when it runs again keep the place of the earlier ones, so that middlewares
        keep their order.

        Parameters
        ----------
        others : sequence
            The present handlers; None for one that cannot be replaced.
        """
        gone = [at for at, old in enumerate(others) if old is not None and self.replaces(old)]
        if gone:
            self.took_over = True
            return gone[0], gone
        before = [at for at, old in enumerate(others) if old is not None and self._follows(old)]
        self.took_over = bool(before)
        return (before[-1] + 1 if before else len(others)), []

    def _follows(self, other: RegisteredFunction) -> bool:
        return other.took_over and self.execution is not None and self.execution == other.execution

    def _redefines(self, old: RegisteredFunction) -> bool:
        new, earlier = self.execution, old.execution
        known = new is not None and earlier is not None
        if new and earlier and (new.number == earlier.number or (new.cell is not None and earlier.cell is not None)):
            return False
        name = name_of(self.function, inner=not known)
        if name is None or name != name_of(old.function, inner=not known):
            return False
        # Without executions: code that runs again is compiled again, but a loop makes several functions of one code.
        return known or _code(self.function) is not _code(old.function)


class RegisteredListener(RegisteredFunction):
    """A `RegisteredFunction` that is called like the function itself, on a running event loop."""

    __slots__ = ()

    def __call__(self, *args: Any) -> Any:
        """Call the function in its context; an async one returns a coroutine that awaits it there."""
        prepare_thread()
        context = self.context.copy()
        try:
            result = context.run(self.function, *args)
        except Exception as error:
            _remember(error, context)
            raise
        return self._finish(result, context) if type(result) is CoroutineType else result

    async def _finish(self, coroutine: Coroutine[Any, Any, Any], context: Context) -> Any:
        loop = asyncio.get_running_loop()
        task: asyncio.Task[Any] = context.run(loop.create_task, coroutine)  # a task copies the context that makes it
        _callers[task] = asyncio.current_task()
        try:
            return await task
        except Exception as error:
            _remember(error, context)
            raise


_callers: WeakKeyDictionary[asyncio.Task[Any], asyncio.Task[Any] | None] = WeakKeyDictionary()


def current_tasks() -> set[asyncio.Task[Any]]:
    """Return the current task and, if a `RegisteredListener` made it, the tasks that wait for it."""
    tasks: set[asyncio.Task[Any]] = set()
    task = asyncio.current_task()
    while task is not None:
        tasks.add(task)
        task = _callers.get(task)
    return tasks


def _remember(error: Exception, context: Context) -> None:
    error.__dict__.setdefault("_cell", context)


def where_raised(error: Exception) -> Context:
    """Return the context in which to log an error: that of the cell whose function raised it."""
    context = error.__dict__.get("_cell")
    return context.copy() if isinstance(context, Context) else copy_context()


def is_same(one: Function, other: Function) -> bool:
    """Return whether two functions are the same. Bound methods are compared by value: each access makes a new one."""
    return one is other or (isinstance(one, _METHODS) and one == other)


def name_of(function: Function, *, inner: bool = False) -> tuple[str, str] | None:
    """Return the module and the qualified name of a function.

    None for methods, lambdas and nested functions. With ``inner``, nested functions of ``__main__`` have a name, too.
    """
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    if module is None or name is None or isinstance(function, _METHODS):
        return None
    named = not name.endswith("<lambda>") if inner and module == "__main__" else "<" not in name
    return (module, name) if named else None


def _code(function: Function) -> object:
    function = inspect.unwrap(function)
    return getattr(function, "__code__", function)


this_execution()  # Begin to track executions now: the cell that imports this module may register handlers.
