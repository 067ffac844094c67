"""Cells of notebooks: in an IPython shell of this process, and for a kernel."""

from __future__ import annotations

import atexit
import uuid
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from jupyter_client.asynchronous import AsyncKernelClient
from traitlets.config import Config


class Shell(InteractiveShell):  # type: ignore[misc]
    """IPython, which is told of each cell's request as ipykernel tells its shell."""

    request: Mapping[str, Any] = MappingProxyType({})

    @classmethod
    def begin(cls) -> Shell:
        """Be what `get_ipython` returns, until `end`."""
        shell: Shell = cls.instance(config=Config({"HistoryManager": {"enabled": False}}))
        return shell

    def end(self) -> None:
        atexit.unregister(self.atexit_operations)
        self.atexit_operations()
        type(self).clear_instance()

    def get_parent(self) -> Mapping[str, Any]:
        return self.request

    def cell(self, code: str, id: str | None = None, **metadata: Any) -> None:
        """Run a cell; raises what it raised."""
        metadata = {**({"cellId": id} if id else {}), **metadata}
        self.request = {"header": {"msg_id": uuid.uuid4().hex}, "metadata": metadata}
        self.run_cell(code, cell_id=id).raise_error()

    def callback(self, code: str) -> None:
        """Run code as a button's callback does: between the cells."""
        self.request = {"header": {"msg_id": uuid.uuid4().hex, "msg_type": "comm_msg"}, "metadata": {}}
        exec(code, self.user_ns)


def execute(kernel: AsyncKernelClient, code: str, cell: str | None = None) -> str:
    """Ask a kernel to run a cell, as frontends with cell ids do and others without; return the request's id."""
    content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False}
    message = kernel.session.msg(
        "execute_request", {**content, "stop_on_error": True}, metadata={"cellId": cell} if cell else {}
    )
    kernel.shell_channel.send(message)
    return str(message["header"]["msg_id"])
