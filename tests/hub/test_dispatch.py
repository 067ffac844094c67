from __future__ import annotations

import asyncio
from typing import Any

import pytest
from support.members import Refused, until


async def test_an_unknown_command_is_refused_with_those_there_are(hub: Any) -> None:
    member = await hub.connect()
    with pytest.raises(Refused, match=r"the commands are .*publish") as refused:
        await member.call("shout", {})
    assert refused.value.code == "unknown_command"


@pytest.mark.parametrize("args", [(1,), ("lab",), ([],), ({}, {}), (None,), (b"x",)])
async def test_a_request_that_is_not_an_object_is_refused(hub: Any, args: tuple[Any, ...]) -> None:
    member = await hub.connect()
    assert (await member.ask("join", *args))["error"]["code"] == "bad_request"


async def test_a_command_that_takes_nothing_may_come_without_an_object(hub: Any) -> None:
    assert (await (await hub.connect()).ask("rooms"))["ok"]


@pytest.mark.parametrize(
    ("packet", "command", "code"),
    [
        ('42["publish",{"room":"lab"}]', "publish", "bad_request"),
        ('42["join",{"room":"a b"}]', "join", "bad_room"),
        ('42["nonsense",{}]', "nonsense", "unknown_command"),
        ("42[5]", "5", "unknown_command"),
        ('42["publish",{"room":"lab","event":"a","expect":9}]', "publish", "conflict"),
    ],
)
async def test_a_command_without_an_ack_that_fails_is_answered_by_an_event(
    hub: Any, packet: str, command: str, code: str
) -> None:
    member = await hub.connect()
    member.raw.send(packet)
    (error,) = await member.has("$error")
    assert (error["command"], error["code"]) == (command, code)
    assert error["message"]


async def test_a_command_without_an_ack_that_succeeds_is_not_answered(hub: Any) -> None:
    member = await hub.joined()
    member.post("publish", {"room": "lab", "event": "a"})
    await member.has("a")
    assert [got.name for got in member.got if got.name not in ("$presence", "$offset")] == ["ack", "a"]


async def test_an_internal_error_is_answered_without_its_text_and_affects_no_other_client(
    hub: Any, monkeypatch: Any, caplog: Any
) -> None:
    member, other = await hub.joined(), await hub.joined()

    async def broken(*args: Any, **fields: Any) -> Any:
        raise RuntimeError("a secret of the inside")

    monkeypatch.setattr(hub.log, "read", broken)
    with pytest.raises(Refused) as refused:
        await member.call("history", room="lab")
    assert refused.value.code == "internal"
    assert "secret" not in refused.value.message
    assert "a secret of the inside" in caplog.text
    seq = await member.publish()
    await until(lambda: other.seqs() == [seq])


async def test_commands_of_one_connection_run_in_their_order(hub: Any) -> None:
    member = await hub.connect()
    replies = [member.ask("join", {"room": "lab"}), member.ask("publish", {"room": "lab", "event": "a"})]
    replies.append(member.ask("leave", {"room": "lab"}))
    assert all(reply["ok"] for reply in await asyncio.gather(*replies))


async def test_leaving_a_room_that_was_not_joined_is_refused(hub: Any) -> None:
    member = await hub.connect()
    with pytest.raises(Refused) as refused:
        await member.call("leave", room="lab")
    assert refused.value.code == "not_joined"


async def test_a_client_that_left_receives_no_more_events(hub: Any) -> None:
    member, writer = await hub.joined(), await hub.joined()
    await member.call("leave", room="lab")
    seq = await writer.publish()
    await until(lambda: writer.seqs() == [seq])
    await member.settled()
    assert member.events() == []
