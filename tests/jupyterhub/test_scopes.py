"""Tokens of JupyterHub may do what their scopes say, also those of the server's owner."""

from __future__ import annotations

from support.jupyterhub import JupyterHub
from support.socketio_peer import connected

AUTHORIZER = """
from jupyter_server.auth import Authorizer


class WritersSeeActivity(Authorizer):
    '''Reading takes access to the server; writing a scope more.'''

    def is_authorized(self, handler, user, action, resource):
        return resource != "rtmsg" or action == "read" or "read:users:activity!user=bob" in user.hub_user["scopes"]


c = get_config()
c.ServerApp.authorizer_class = WritersSeeActivity
"""
ACCESS = "access:servers!user=bob"
WRITE = "read:users:activity!user=bob"


def test_a_token_of_the_owner_for_reading_may_not_write(hub: JupyterHub) -> None:
    bob = hub.server("bob", token=hub.token("bob", scopes=[ACCESS, WRITE]))
    (bob.home / "config" / "jupyter_server_config.py").write_text(AUTHORIZER)
    reader = {"Authorization": f"token {hub.token('bob', scopes=[ACCESS])}"}
    writer = {"Authorization": f"token {bob.token}"}
    with bob, connected(bob, headers=reader) as reads, connected(bob, headers=writer) as writes:
        assert reads.command("join", room="lab")["user"] == "bob"
        assert writes.command("publish", room="lab", event="a")["ok"]
        assert reads.command("publish", room="lab", event="a")["error"]["code"] == "forbidden"
        kernel = bob.start_kernel("a.ipynb")
        cell = "import jupyter_rtmsg as rt; print(rt.connect().join('lab').emit('b') > 0)"
        assert bob.execute(kernel, cell).text.strip() == "True", "kernels come with the server's own secret"
