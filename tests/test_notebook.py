"""The rule of re-run cells, on both sides, in cells that an IPython shell runs."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.cells import Shell

from jupyter_rtmsg import notebook
from jupyter_rtmsg.client.handlers import Handler, Handlers
from jupyter_rtmsg.server import Server
from jupyter_rtmsg.server.listeners import SocketEmitter


class ClientSide:
    """A room's or a socket's handlers, as far as cells see them."""

    def __init__(self) -> None:
        self._handlers = Handlers()
        self._any = Handlers(beside=self._handlers)

    def on(self, event: str, function: Any = None, *, once: bool = False) -> Any:
        if function is None:
            return lambda function: self.on(event, function)
        self._handlers.add(Handler(function, event, once=once))
        return function

    def once(self, event: str, function: Any) -> None:
        self.on(event, function, once=True)

    def on_any(self, function: Any) -> None:
        self._any.add(Handler(function))

    def emit(self, event: str) -> list[Any]:
        called = (*(self._any.all), *self._handlers.take(event))
        return [handler.call() for handler in called]


class ServerSide(SocketEmitter):
    """A socket of the server, whose handlers' results can be looked at."""

    __slots__ = ("observed",)

    def __init__(self) -> None:
        super().__init__()
        self.observed = False

    def _observed(self, observed: bool) -> None:
        self.observed = observed

    def emit(self, event: str) -> list[Any]:
        incoming = self.hooks.incoming if self.hooks else ()
        return [listener() for listener in (*incoming, *self.handlers.get(event, ()))]


@pytest.fixture
def shell() -> Iterator[Shell]:
    shell = Shell.begin()
    notebook.this_execution()  # as when the package is imported
    yield shell
    shell.end()
    notebook._followed = None


@pytest.fixture(params=[ClientSide, ServerSide])
def target(request: pytest.FixtureRequest, shell: Shell) -> Any:
    target = request.param()
    shell.user_ns.update(target=target, threading=threading)
    return target


# --- frontends with cell ids


def test_lambdas_of_two_cells_are_two_handlers_and_a_cell_that_runs_again_replaces_its_own(
    shell: Shell, target: Any
) -> None:
    shell.cell("target.on('n', lambda: 'loss 1')", "a")
    shell.cell("target.on('n', lambda: 'accuracy')", "b")
    assert target.emit("n") == ["loss 1", "accuracy"]
    shell.cell("target.on('n', lambda: 'loss 2')", "a")
    assert target.emit("n") == ["loss 2", "accuracy"]


def test_a_loop_in_a_cell_keeps_each_of_its_handlers_also_when_it_runs_again(shell: Shell, target: Any) -> None:
    for _ in range(2):
        shell.cell("for i in range(5): target.on('n', lambda i=i: i)", "a")
    assert target.emit("n") == [0, 1, 2, 3, 4]
    for _ in range(2):
        shell.cell("for i in range(3):\n    @target.on('n')\n    def f(i=i): return i", "a")
    assert target.emit("n") == [0, 1, 2]


def test_functions_of_one_name_in_one_cell_or_in_two_are_all_kept(shell: Shell, target: Any) -> None:
    for _ in range(2):
        shell.cell("@target.on('n')\ndef _(): return 1\n@target.on('n')\ndef _(): return 2", "a")
        shell.cell("@target.on('n')\ndef _(): return 3", "b")
    assert target.emit("n") == [1, 2, 3]


def test_a_handler_that_its_cell_does_not_register_again_is_removed_for_every_event_and_kind(
    shell: Shell, target: Any
) -> None:
    shell.cell("target.on('n', lambda: 1); target.on('m', lambda: 2); target.on_any(lambda: 'any')", "a")
    assert target.emit("m") == ["any", 2]
    shell.cell("target.on('n', lambda: 3)", "a")
    assert target.emit("n") == [3]
    assert target.emit("m") == []
    shell.cell("target.on_any(lambda: 'any again')", "a")
    assert target.emit("n") == ["any again"]


def test_a_cell_that_no_longer_registers_keeps_its_earlier_handlers(shell: Shell, target: Any) -> None:
    shell.cell("target.on('n', lambda: 1)", "a")
    shell.cell("1 + 1", "a")
    assert target.emit("n") == [1]


def test_a_cell_that_raised_halfway_has_replaced_the_handlers_of_its_earlier_execution(
    shell: Shell, target: Any
) -> None:
    shell.cell("target.on('n', lambda: 1); target.on('n', lambda: 2)", "a")
    with pytest.raises(ZeroDivisionError):
        shell.cell("target.on('n', lambda: 3); 1 / 0; target.on('n', lambda: 4)", "a")
    assert target.emit("n") == [3]


def test_other_targets_are_left_alone(shell: Shell, target: Any) -> None:
    other = shell.user_ns["other"] = type(target)()
    shell.cell("target.on('n', lambda: 1); other.on('n', lambda: 2)", "a")
    shell.cell("target.on('n', lambda: 3)", "a")
    assert (target.emit("n"), other.emit("n")) == ([3], [2])


def test_a_copy_of_a_cell_is_another_cell(shell: Shell, target: Any) -> None:
    code = "@target.on('n')\ndef f(): return 'copied'"
    shell.cell(code, "a")
    shell.cell(code, "b")
    assert target.emit("n") == ["copied", "copied"]


def test_once_is_replaced_too_and_one_that_was_called_does_not_come_back(shell: Shell, target: Any) -> None:
    shell.cell("target.once('n', lambda: 'old')", "a")
    shell.cell("target.once('n', lambda: 'new')", "a")
    assert target.emit("n") == ["new"]
    assert target.emit("n") == []


def test_one_function_is_one_handler_of_an_event_whichever_cell_registers_it(shell: Shell, target: Any) -> None:
    shell.cell("def f(): return 'f'", "a")
    shell.cell("target.on('n', f); target.on('n', f); target.on('m', f)", "b")
    shell.cell("target.on('n', f)", "c")
    assert target.emit("n") == target.emit("m") == ["f"]


def test_a_handler_registered_by_a_handler_belongs_to_the_execution_of_the_first(shell: Shell, target: Any) -> None:
    code = "target.on('go', lambda: target.on('n', lambda: {}) and None)"
    shell.cell(code.format(1), "a")
    shell.cell("target.on('n', lambda: 'b'); target.emit('go')", "b")
    assert target.emit("n") == ["b", 1]
    shell.cell(code.format(2), "a")
    assert target.emit("n") == ["b"]
    shell.cell("target.emit('go')", "c")
    assert target.emit("n") == ["b", 2]


def test_a_handler_registered_by_a_task_belongs_to_the_cell_that_started_it(shell: Shell, target: Any) -> None:
    code = "import asyncio\nasync def later():\n    target.on('n', lambda: {})\nawait asyncio.create_task(later())"
    shell.cell(code.format(1), "a")
    shell.cell(code.format(2), "b")
    shell.cell(code.format(3), "a")
    assert target.emit("n") == [3, 2]


def test_a_handler_registered_by_a_thread_belongs_to_the_cell_that_started_it(shell: Shell, target: Any) -> None:
    begin, done = shell.user_ns["begin"], shell.user_ns["done"] = threading.Event(), threading.Event()
    shell.cell("target.on('n', lambda: 'b')", "b")
    shell.cell(
        "def late():\n    begin.wait()\n    target.on('n', lambda: 'a')\n    done.set()\n"
        "threading.Thread(target=late).start()",
        "a",
    )
    shell.cell("target.on('n', lambda: 'b again')", "b")
    begin.set()
    assert done.wait(20)
    assert target.emit("n") == ["b again", "a"]
    shell.cell("target.on('n', lambda: 'b once more')", "b")
    assert target.emit("n") == ["b once more", "a"]
    shell.cell(
        "thread = threading.Thread(target=target.on, args=('n', lambda: 'c')); thread.start(); thread.join()", "a"
    )
    assert target.emit("n") == ["b once more", "c"]


def test_a_handler_registered_on_another_thread_belongs_to_the_cell_of_the_first_thread(
    shell: Shell, target: Any
) -> None:
    run = "; t.start(); t.join()"
    code = "t = threading.Thread(target=target.on, args=('go', lambda: target.on('n', lambda: {}) and None))" + run
    for version in (1, 2):
        shell.cell(code.format(version), "a")
        shell.cell("t = threading.Thread(target=target.emit, args=('go',))" + run, "b")
        shell.cell("target.on('m', lambda: 0)", "b")
        assert target.emit("n") == [version]


def test_an_older_execution_that_registers_late_removes_no_newer_handler(shell: Shell, target: Any) -> None:
    shell.cell("import contextvars\nolder = contextvars.copy_context()", "a")
    shell.cell("target.on('n', lambda: 'newer')", "a")
    older = shell.user_ns["older"]
    older.run(target.on, "n", lambda: "late")
    assert "newer" in target.emit("n")
    shell.cell("target.on('n', lambda: 'newest')", "a")
    assert target.emit("n") == ["newest"]


def test_a_handler_registered_by_a_library_belongs_to_the_calling_cell(
    shell: Shell, target: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a_library.py").write_text("def attach(target, n):\n    target.on('n', lambda: n)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    shell.cell("import a_library\na_library.attach(target, 1)\na_library.attach(target, 2)", "a")
    shell.cell("a_library.attach(target, 3)", "b")
    assert target.emit("n") == [1, 2, 3]
    shell.cell("a_library.attach(target, 4)", "a")
    assert target.emit("n") == [4, 3]


def test_a_handler_registered_by_an_imported_module_stays(
    shell: Shell, target: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = tmp_path / f"registers_{type(target).__name__}.py"
    module.write_text("from __main__ import target\n@target.on('n')\ndef f(): return 'module'\n")
    monkeypatch.setattr("__main__.target", target, raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    for version in (1, 2):
        shell.cell(f"import {module.stem}\ntarget.on('n', lambda: {version})", "a")
    assert target.emit("n") == ["module", 2]
    module.write_text(module.read_text().replace("'module'", "'another module'"))
    shell.cell(f"import importlib\nimportlib.reload({module.stem})", "b")
    assert target.emit("n") == ["another module", 2]


@pytest.mark.parametrize("id", ["a", None])
def test_functions_of_a_module_that_autoreload_loads_again_replace_themselves(
    shell: Shell, target: Any, id: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = tmp_path / f"reloaded_{type(target).__name__}_{id}.py"
    monkeypatch.syspath_prepend(str(tmp_path))
    shell.cell("%load_ext autoreload\n%autoreload 2")
    for version in (1, 22):  # of different length: autoreload looks at the time, and the import system at the size
        module.write_text(f"def f(): return {version}\n")
        os.utime(module, (time.time() + version,) * 2)
        shell.cell(f"import {module.stem} as module\ntarget.on('n', module.f)", id)
        assert target.emit("n") == [version]


@pytest.mark.parametrize(
    "code",
    [
        "%%time\ntarget.on('n', lambda: {})",
        "%%capture\ntarget.on('n', lambda: {})",
        "exec(\"target.on('n', lambda: {})\")",
        "get_ipython().run_cell(\"target.on('n', lambda: {})\")\ntarget.on('n', lambda: {})",
        "%run -i {file}",
    ],
)
def test_magics_exec_and_run_belong_to_the_cell_that_runs_them(
    shell: Shell, target: Any, code: str, tmp_path: Path
) -> None:
    script = tmp_path / "script.py"
    for version in (1, 2):
        script.write_text(f"target.on('n', lambda: {version})")
        shell.cell("target.on('n', lambda: 'other')", "b")
        shell.cell(code.replace("{file}", str(script)).replace("{}", str(version)), "a")
        assert set(target.emit("n")) == {"other", version}
    assert target.emit("n").count(2) == code.count("lambda") or "%run" in code


def test_decorated_handlers_and_methods_are_replaced_like_all(shell: Shell, target: Any) -> None:
    shell.cell(
        "import functools\ndef twice(f):\n    @functools.wraps(f)\n    def both(): return 2 * f()\n    return both\n"
        "class View:\n    def show(self): return 'shown'\nview = View()",
        "a",
    )
    for version in (1, 2):
        shell.cell(f"@target.on('n')\n@twice\ndef f(): return {version}\ntarget.on('n', View().show)", "b")
        assert target.emit("n") == [2 * version, "shown"]


def test_ipythons_own_count_may_be_set_back(shell: Shell, target: Any) -> None:
    for version in (1, 2, 3):
        shell.cell(f"target.on('n', lambda: {version})", "a")
        shell.execution_count = 1
    assert target.emit("n") == [3]


def test_a_handler_of_a_button_belongs_to_no_cell(shell: Shell, target: Any) -> None:
    shell.cell("target.on('n', lambda: 'cell')", "a")
    shell.callback("target.on('n', lambda: 'button')")
    shell.cell("target.on('n', lambda: 'cell again')", "a")
    assert target.emit("n") == ["cell again", "button"]


def test_colab_says_in_its_own_way_which_cell_it_is(shell: Shell, target: Any) -> None:
    for version in (1, 2):
        shell.cell(f"target.on('n', lambda: {version})", colab={"cell_id": "x"})
    shell.cell("target.on('n', lambda: 3)", colab={"cell_id": "y"})
    assert target.emit("n") == [2, 3]


def test_the_cell_that_imports_the_package_has_handlers_like_others(shell: Shell, target: Any) -> None:
    shell.cell("import sys", "z")
    notebook._followed = None  # as if it had not been imported before
    for version in (1, 2):
        shell.cell(f"target.on('n', lambda: {version})", "a")
    assert target.emit("n") == [2]


# --- frontends without


def test_without_cell_ids_the_same_name_replaces_for_the_same_event(shell: Shell, target: Any) -> None:
    for version in (1, 2):
        shell.cell(f"@target.on('n')\ndef f(): return {version}")
        shell.cell(f"@target.on('n')\ndef g(): return {version}")
        shell.cell("target.on('m', f)")
    assert target.emit("n") == [2, 2]
    assert target.emit("m") == [2]


def test_without_cell_ids_lambdas_and_nested_functions_are_never_replaced(shell: Shell, target: Any) -> None:
    for _ in range(2):
        shell.cell("def make(n):\n    def made(): return n\n    return made")
        shell.cell("target.on('n', make(1)); target.on('n', make(2)); target.on('n', lambda: 3)")
    assert target.emit("n") == [1, 2, 3, 1, 2, 3]


def test_without_cell_ids_a_loop_keeps_its_handlers_and_the_next_one_replaces_them(shell: Shell, target: Any) -> None:
    for _ in range(2):
        shell.cell("for i in range(3):\n    @target.on('n')\n    def f(i=i): return i")
    assert target.emit("n") == [0, 1, 2]


def test_an_interactive_window_of_vs_code_has_no_cells_that_run_again(shell: Shell, target: Any) -> None:
    for version in (1, 2):
        id = f"vscode-notebook-cell:/Interactive-1.interactive#W{version}sdnNjb2Rl"
        shell.cell(f"@target.on('n')\ndef f(): return {version}", id)
    assert target.emit("n") == [2]
    for version in (3, 4):
        shell.cell(f"target.on('n', lambda: {version})", "vscode-notebook-cell:/lab.ipynb#W2sZmlsZQ")
    assert target.emit("n") == [2, 4]


# --- places


def test_a_handler_keeps_its_place_so_that_middlewares_keep_their_order(shell: Shell) -> None:
    io = shell.user_ns["io"] = Server()
    for version in (1, 2):
        shell.cell(f"io.use(lambda socket: 'who {version}'); io.use(lambda socket: 'may {version}')", "a")
        shell.cell("io.use(lambda socket: 'log')", "b") if version == 1 else None
    assert [middleware(None) for middleware in io.of("/").middlewares] == ["who 2", "may 2", "log"]  # type: ignore[arg-type]


def test_a_redefined_namespace_function_keeps_handlers_of_other_cells(shell: Shell) -> None:
    io = shell.user_ns["io"] = Server()
    for version in (1, 2):
        shell.cell(f"def lab(name, auth): return {version}", "a")
        shell.cell("io.of(lab).on('connection', print)", "b")
        shell.cell(
            f"one = io.of(lambda name, auth: {version}0)\ntwo = io.of(lambda name, auth: {version}1)\n"
            "one.on('connection', lambda socket: 1)",
            "c",
        )
    parents = io.namespaces.parents
    assert [parent.matcher("", {}) for parent in parents] == [2, 20, 21]  # type: ignore[operator]
    assert [len(parent.listeners("connection")) for parent in parents] == [1, 1, 0]


def test_the_engines_events_and_middlewares_follow_the_rule_and_the_server_stays_on_its_engine(shell: Shell) -> None:
    shell.user_ns["Server"] = Server
    guarded = "if 'io' not in globals(): io = Server()\n"
    for _ in range(2):
        shell.cell("io.engine.use(lambda request, headers: None)", "b") if "io" in shell.user_ns else None
        shell.cell(
            guarded + "io.engine.on('headers', lambda headers, request: None)\n"
            "io.engine.on('connection', lambda session: None)\nio.engine.use(lambda request, headers: None)",
            "a",
        )
    hooks = shell.user_ns["io"].engine.hooks
    assert {event: len(functions) for event, functions in hooks._functions.items()} == {
        "middleware": 2,
        "connection": 2,
        "connection_error": 0,
        "initial_headers": 0,
        "headers": 1,
    }


def test_a_socket_that_has_no_listener_for_outgoing_events_any_more_is_not_observed(shell: Shell) -> None:
    target = shell.user_ns["target"] = ServerSide()
    shell.cell("target.on_any_outgoing(lambda *args: None)", "a")
    assert target.observed
    shell.cell("target.on('n', lambda: 1)", "a")
    assert not target.observed


def test_operations_on_rooms_follow_the_model(shell: Shell) -> None:
    io = shell.user_ns["io"] = Server()
    for _ in range(2):
        shell.cell("io.of('/').adapter.on('create-room', lambda room: None)", "a")
    assert len(io.of("/").adapter.listeners("create_room")) == 1


def test_a_library_may_register_outside_of_cells(shell: Shell, target: Any) -> None:
    shell.cell("from jupyter_rtmsg.notebook import outside_cells\nwith outside_cells(): target.on('n', lambda: 1)", "a")
    shell.cell("target.on('n', lambda: 2)", "a")
    assert target.emit("n") == [1, 2]


# --- no notebook


def test_a_scripts_loop_registers_each_of_its_handlers() -> None:
    target = ClientSide()
    loop = "for i in range(3):\n    @target.on('n')\n    def f(i=i): return i"
    exec(loop, {"__name__": "__main__", "target": target})
    assert target.emit("n") == [0, 1, 2]


def test_outside_of_notebooks_the_server_is_like_nodes() -> None:
    target = ServerSide()
    for _ in range(2):
        exec("@target.on('n')\ndef f(): return 1", {"__name__": "__main__", "target": target})
    assert target.emit("n") == [1, 1]
