from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import pytest
from support.hub import TOKEN, HubServer

import jupyter_rtmsg as rt


@pytest.mark.parametrize("take", [pickle.dumps, copy.copy, copy.deepcopy])
async def test_objects_with_a_connection_can_be_neither_copied_nor_pickled(
    shared_hub: HubServer, room_name: str, client: Callable[..., rt.Client], take: Callable[[object], object]
) -> None:
    hub = client(shared_hub)
    room = hub.join(room_name)
    async with rt.AsyncClient(shared_hub.url, TOKEN) as awaited:
        for thing in (room, hub, awaited, await awaited.join(room_name)):
            with pytest.raises(
                TypeError, match=f"a {type(thing).__name__} belongs to its process.* Call .*in the function"
            ):
                take(thing)
    with pytest.raises(TypeError, match=rf"Call connect\(\).join\('{room_name}'\)"):
        take(room)
