"""A running notebook is renamed, moved and deleted: real kernels of a real Jupyter server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.contents import delete, make_notebook, name_session, open_session, rename
from support.jupyter import JupyterServer, wait_until

JOIN = """
import json
import jupyter_rtmsg as rt

hub = rt.connect()
lab = hub.join("lab")
heard = []

@lab.on()
def keep(event):
    heard.append(event.data)
"""


def show(server: JupyterServer, kernel: str, expression: str) -> Any:
    """Return the value of an expression in a kernel."""
    return json.loads(server.execute(kernel, f"print(json.dumps({expression}))").text)


def eventually(server: JupyterServer, kernel: str, expression: str, value: Any) -> None:
    wait_until(lambda: show(server, kernel, expression) == value, f"{expression} is {value!r}")


@pytest.mark.timeout(300)
def test_a_notebook_that_is_renamed_while_it_runs_goes_on_acknowledging_and_deleted_begins_anew(tmp_path: Path) -> None:
    with JupyterServer(tmp_path) as server:
        session, kernel = open_session(server, make_notebook(server, "week1/old.ipynb"))
        writer = server.start_kernel("writer.ipynb")
        for each in (kernel, writer):
            server.execute(each, JOIN)
        server.execute(writer, "lab.emit('n', 1)")
        eventually(server, kernel, "[heard, lab.lag]", [[1], 0])

        rename(server, "week1/old.ipynb", "week1/new.ipynb")
        eventually(server, kernel, "lab.subscription", "week1/new.ipynb")
        rename(server, "week1", "week2")
        name_session(server, session, "week2/new.ipynb")
        eventually(server, kernel, "lab.subscription", "week2/new.ipynb")
        eventually(server, writer, "sorted(m.name for m in lab.members)", ["new", "writer"])
        server.execute(writer, "lab.emit('n', 2)")
        eventually(server, kernel, "[heard, lab.lag]", [[1, 2], 0])
        listed = "[[each.name, each.state] for each in hub.subscriptions('lab') if each.name != 'writer.ipynb']"
        assert show(server, writer, listed) == [["week2/new.ipynb", "in use"]]

        # Jupyter itself cannot restart a kernel whose directory has another name now.
        assert server.request("DELETE", f"api/sessions/{session}").status == 204
        server.execute(writer, "lab.emit('n', 3)")
        session, kernel = open_session(server, "week2/new.ipynb")
        server.execute(kernel, JOIN)
        assert show(server, kernel, "[[e.data for e in lab.missed()], lab.subscription]") == [[3], "week2/new.ipynb"]
        eventually(server, kernel, "lab.lag", 0)

        assert server.request("DELETE", f"api/sessions/{session}").status == 204
        delete(server, "week2/new.ipynb")
        server.execute(writer, "lab.emit('n', 4)")
        eventually(server, writer, listed, [["week2/new.ipynb", "ended"]])
        _, kernel = open_session(server, make_notebook(server, "week2/new.ipynb"))
        server.execute(kernel, JOIN)
        assert show(server, kernel, "[len(lab.missed()), heard]") == [0, []]
        server.execute(kernel, "hub.unsubscribe('lab', lab.subscription)")
        assert show(server, writer, listed) == []
