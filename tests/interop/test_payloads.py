"""Payloads as a plain Socket.IO client gets and sends them (docs/wire.md, "Payloads")."""

from __future__ import annotations

import uuid
from datetime import datetime, timezone

import numpy as np
from support.jupyter import JupyterServer
from support.node_peer import node_connected

import jupyter_rtmsg as rt


def test_a_plain_client_reads_and_writes_an_array_with_one_attachment(jupyter: JupyterServer) -> None:
    name = f"room-{uuid.uuid4().hex}"
    at = datetime(2026, 11, 27, tzinfo=timezone.utc)
    with node_connected(jupyter, jupyter.token) as peer, rt.Client(jupyter.url, jupyter.token).connect() as client:
        assert peer.command("join", room=name)["ok"]
        room = client.join(name)
        room.emit("weights", {"w": np.arange(3.0), "at": at})
        event, (data, _) = peer.take()
        array = {"$type": "ndarray", "dtype": "<f8", "shape": [3], "order": "C", "data": [0, 24]}
        value = {"w": array, "at": {"$type": "datetime", "value": "2026-11-27T00:00:00+00:00"}}
        assert (event, data) == ("weights", {"$type": "packed", "value": value, "buffers": np.arange(3.0).tobytes()})
        # It says what came once more, and the kernel has the same.
        assert peer.command("publish", room=name, event="again", data=data)["ok"]
        again = room.history(last=1)[0].data
        assert (again["w"].tolist(), again["at"]) == ([0.0, 1.0, 2.0], at)
