"""An id that the caller chose is stored once, whatever client of this user sends it; clients' own are told apart."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support.hub import HubServer

import jupyter_rtmsg as rt
from jupyter_rtmsg import errors

Make = Callable[..., rt.Client]


def test_an_id_is_stored_once_across_clients_and_restarts(hub_server: HubServer, client: Make) -> None:
    first, second = client(hub_server).join("lab"), client(hub_server).join("lab")
    seq = first.emit("step", {"loss": 1}, id="run-1")
    again = second.emit("step", {"loss": 1}, id="run-1", wait=False)
    assert (again.result(), again.duplicate) == (seq, True)
    hub_server.restart()
    third = client(hub_server).join("lab")
    assert third.emit("step", {"loss": 1}, id="run-1") == seq
    assert len(third.history()) == 1


@pytest.mark.parametrize(("event", "data"), [("step", {"loss": 2}), ("other", {"loss": 1}), ("step", b"bytes")])
def test_another_event_with_its_id_is_refused_and_the_seq_is_told(
    shared_hub: HubServer, client: Make, room_name: str, event: str, data: object
) -> None:
    first, second = client(shared_hub).join(room_name), client(shared_hub).join(room_name)
    seq = first.emit("step", {"loss": 1}, id="run-1")
    for room in (first, second):
        with pytest.raises(errors.IdConflict, match=f"belongs to event {seq} "):
            room.emit(event, data, id="run-1")


def test_ids_that_clients_made_up_are_no_duplicates_of_each_other(
    shared_hub: HubServer, client: Make, room_name: str
) -> None:
    rooms = [client(shared_hub).join(room_name) for _ in range(2)]
    receipts = [room.emit("n", 1, wait=False) for room in rooms for _ in range(3)]
    assert len({receipt.result() for receipt in receipts}) == 6
    assert not any(receipt.duplicate for receipt in receipts)
