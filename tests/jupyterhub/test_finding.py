"""Clients find the server of a user whose name is that of a page."""

from __future__ import annotations

import pytest
from support.jupyterhub import JupyterHub

import jupyter_rtmsg as rt
from jupyter_rtmsg.errors import AccessDenied


def test_the_server_of_a_user_called_lab_is_found_from_everywhere(hub: JupyterHub) -> None:
    hub.add_user("lab")
    with hub.server("lab") as server:
        kernel = server.start_kernel("lab.ipynb")
        code = "import jupyter_rtmsg as rt\nlab = rt.connect().join('lab')\nprint(lab.emit('x') > 0, lab.subscription)"
        assert server.execute(kernel, code).text.split() == ["True", "lab.ipynb"]
        for page in ("", "lab/tree/lab.ipynb", "tree"):
            with rt.Client(server.url + page, server.token) as client:
                assert client.url == server.url
                assert client.join("lab").emit("x")
                assert client.user == "lab"
        for page in ("", "lab/tree/lab.ipynb"):
            with pytest.raises(AccessDenied, match="refused the token"):
                rt.Client(server.url + page, "wrong").connect()
