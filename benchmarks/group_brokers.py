"""The queues that groups.py compares with: each a server with the events in it, and what a worker process runs."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from serving import free_port, wait_for

Running = tuple[psutil.Process, int, Callable[[str, int], None]]
_FETCH = 1.0  # seconds that a worker waits for events


@contextmanager
def _process(command: list[str], port: int) -> Iterator[psutil.Process]:
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(server, port)
        yield psutil.Process(server.pid)
    finally:
        server.terminate()
        server.wait(20)


@contextmanager
def redis(folder: Path, events: int) -> Iterator[Running]:
    """Run Redis with the events in a stream; yield its process, its port, and what makes a group."""
    import redis as module

    port = free_port()
    command = ["redis-server", "--port", str(port), "--dir", str(folder), "--appendonly", "yes"]
    with _process([*command, "--appendfsync", "always"], port) as process:
        client = module.Redis(port=port)
        pipeline = client.pipeline(transaction=False)
        for number in range(events):
            pipeline.xadd("bench", {"n": number})
        pipeline.execute()
        yield process, port, lambda group, in_flight: client.xgroup_create("bench", group, id="0")


def consume(port: int, group: str, in_flight: int, tally: Any) -> None:
    """Handle events of Redis."""
    import redis as module

    client = module.Redis(port=port)
    client.ping()
    name = str(client.client_id())
    tally.start()
    while True:
        for _, entries in client.xreadgroup(group, name, {"bench": ">"}, count=in_flight, block=int(_FETCH * 1000)):
            for _ in entries:
                tally.add()
            client.xack("bench", group, *(entry for entry, _ in entries))


@contextmanager
def jetstream(folder: Path, events: int) -> Iterator[Running]:
    """Run NATS with the events in a stream; yield its process, its port, and what makes a consumer."""
    port = free_port()
    settings = folder / "nats.conf"
    settings.write_text(f'port: {port}\njetstream {{ store_dir: "{folder}", sync_interval: always }}\n')
    with _process(["nats-server", "-c", str(settings)], port) as process:
        asyncio.run(_fill(port, events))
        yield process, port, lambda group, in_flight: asyncio.run(_make_consumer(port, group))


async def _fill(port: int, events: int) -> None:
    import nats

    connection = await nats.connect(f"nats://127.0.0.1:{port}")
    stream = connection.jetstream()
    await stream.add_stream(name="bench", subjects=["bench"])
    for first in range(0, events, 500):
        numbers = range(first, min(first + 500, events))
        await asyncio.gather(*(stream.publish("bench", b"%d" % number) for number in numbers))
    await connection.close()


async def _make_consumer(port: int, group: str) -> None:
    import nats
    from nats.js.api import AckPolicy, ConsumerConfig

    connection = await nats.connect(f"nats://127.0.0.1:{port}")
    settings = ConsumerConfig(durable_name=group, ack_policy=AckPolicy.EXPLICIT, max_ack_pending=100_000)
    await connection.jetstream().add_consumer("bench", settings)
    await connection.close()


def fetch(port: int, group: str, in_flight: int, tally: Any) -> None:
    """Handle events of JetStream."""
    asyncio.run(_fetch(port, group, in_flight, tally))


async def _fetch(port: int, group: str, in_flight: int, tally: Any) -> None:
    import nats

    connection = await nats.connect(f"nats://127.0.0.1:{port}")
    consumer = await connection.jetstream().pull_subscribe_bind(group, "bench")
    tally.start()
    while True:
        try:
            messages = await consumer.fetch(in_flight, timeout=_FETCH)
        except TimeoutError:
            continue
        for message in messages:
            tally.add()
            await message.ack()


SYSTEMS = {"redis": (redis, consume), "jetstream": (jetstream, fetch)}
