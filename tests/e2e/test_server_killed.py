"""The server dies without a word during a stream of emits, and comes back on its port."""

from __future__ import annotations

import threading
from collections import deque
from pathlib import Path

import pytest
from support.jupyter import DEADLINE, JupyterServer, wait_until

from jupyter_rtmsg import Client, Event, Receipt

BETWEEN = 2_000  # events until the server is killed, and until it is killed again
IN_FLIGHT = 200


class Publisher(threading.Thread):
    """Emits a stream until told to end, with many emits in flight, and keeps the receipts."""

    def __init__(self, client: Client) -> None:
        super().__init__(daemon=True)
        self.room = client.join("stream")
        self.receipts: list[Receipt] = []
        self.failure: Exception | None = None
        self.enough = threading.Event()

    def run(self) -> None:
        waiting: deque[Receipt] = deque()
        try:
            while not self.enough.is_set():
                receipt = self.room.emit("step", len(self.receipts), wait=False)
                self.receipts.append(receipt)
                waiting.append(receipt)
                if len(waiting) > IN_FLIGHT:
                    waiting.popleft().result(DEADLINE)
            for receipt in waiting:
                receipt.result(DEADLINE)
        except Exception as error:  # handed to the test, which raises it
            self.failure = error


@pytest.mark.timeout(300)
def test_every_acknowledged_event_arrives_exactly_once_and_in_order(tmp_path: Path) -> None:
    server = JupyterServer(tmp_path, config={"RtmsgApp": {"publish_rate": 1e6, "publish_burst": 1e6}})
    states: dict[str, list[str]] = {"publisher": [], "listener": []}
    heard: list[Event] = []
    with (
        server.start(),
        Client(server.url, server.token, timeout=DEADLINE) as sending,
        Client(server.url, server.token, timeout=DEADLINE) as listening,
    ):
        sending.on_state(states["publisher"].append)
        listening.on_state(states["listener"].append)
        room = listening.join("stream", as_="listener")
        room.on("step", heard.append)
        publisher = Publisher(sending)
        publisher.start()
        for time in (1, 2):
            wait_until(lambda time=time: len(heard) > time * BETWEEN, "the stream flows")
            server.kill()
            assert publisher.is_alive(), publisher.failure
            server.start()
        publisher.enough.set()
        publisher.join(2 * DEADLINE)
        count = len(publisher.receipts)
        assert publisher.failure is None
        seqs = [receipt.result(0) for receipt in publisher.receipts]
        wait_until(lambda: len(heard) >= count, "everything acknowledged arrives")
        wait_until(lambda: room.lag == 0, "everything is handled")
        assert [event.data for event in heard] == list(range(count))
        assert [event.seq for event in heard] == seqs
        assert seqs == sorted(set(seqs))
        stored = [event.data for event in room.history()]
        assert stored == list(range(count)), "nothing is stored twice"
        for who, seen in states.items():
            assert seen.count("offline") >= 2, who
            assert seen[-1] == "connected", who
