"""A client finds its server, however that was started, and nobody else gets its token."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.jupyter import JupyterServer

import jupyter_rtmsg as rt
from jupyter_rtmsg.errors import AccessDenied

CONNECT = """
import jupyter_rtmsg as rt
hub = rt.connect()
lab = hub.join("lab")
print(hub.url, lab.emit("x", 1) > 0)
"""


# --- base URLs


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    """A JupyterLab, whose pages answer to many addresses."""
    with JupyterServer(tmp_path_factory.mktemp("lab"), command="lab", base_url="/user/lab/") as server:
        yield server


@pytest.mark.parametrize("page", ["", "lab", "lab/tree/lab/a.ipynb?reset", "tree", "notebooks/a.ipynb", "lab/lab/lab"])
@pytest.mark.parametrize("token", ["server", "scoped", "query"])
def test_the_server_is_asked_where_its_base_url_ends(lab: JupyterServer, page: str, token: str) -> None:
    if token == "query":
        page, given = f"{page}{'&' if '?' in page else '?'}token={lab.token}", None
    else:
        given = lab.token if token == "server" else lab.rtmsg_token
    with rt.Client(lab.url + page, given) as hub:
        assert hub.url == lab.url
        assert hub.join("lab").emit("x")
        hub.socket.drop()
        assert hub.rooms()  # it comes back to the same base


@pytest.mark.parametrize("page", ["", "lab", "lab/tree/a.ipynb"])
def test_a_wrong_token_is_told_of_whatever_the_address(lab: JupyterServer, page: str) -> None:
    with pytest.raises(AccessDenied, match=rf"^{lab.url} refused the token"):
        rt.Client(lab.url + page, "wrong").connect()


def test_two_addresses_of_one_server_are_one_client(lab: JupyterServer) -> None:
    with rt.connect(lab.url, lab.token) as hub:
        assert rt.connect(lab.url + "lab/tree/a.ipynb", lab.token) is hub
        assert rt.connect(lab.url.replace("127.0.0.1", "localhost") + "lab", lab.token) is hub
        assert rt.connect(f"{lab.url}lab?token={lab.token}") is hub
