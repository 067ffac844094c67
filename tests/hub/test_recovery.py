"""Connection state recovery over the log (docs/wire.md), for clients that know nothing of the hub's cursors."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from support.members import Member, until

from jupyter_rtmsg.hub import session_store
from jupyter_rtmsg.hub.recovery import OPEN, Offset


def offset(member: Member) -> str | None:
    """Return what an official client would send: the last argument of any event that is a string."""
    last = [got.data if got.meta is None else got.meta for got in member.got if got.name != "ack"]
    offsets = [each for each in last if isinstance(each, str)]
    return offsets[-1] if offsets else None


async def lose(hub: Any, member: Member) -> None:
    """Cut the connection without closing it, and wait until the hub knows."""
    member.raw.reset()
    await until(lambda: member.id not in hub.io.of("/").sockets)


async def back(hub: Any, member: Member, **auth: Any) -> Member:
    """Come back as an official client does."""
    seen = offset(member)
    wanted = {"pid": member.raw.welcome["pid"], **({} if seen is None else {"offset": seen}), **auth}
    return await hub.connect(**wanted)  # type: ignore[no-any-return]


def recovered(member: Member, before: Member) -> bool:
    return member.raw.welcome == before.raw.welcome


async def test_a_recovered_client_is_in_its_rooms_and_gets_the_missed_events(hub: Any) -> None:
    ann = await hub.joined("lab", user="ann")
    bob = await hub.joined("lab", user="bob")
    await ann.join("other")
    await bob.publish("seen")
    await until(lambda: ann.seqs())
    await lose(hub, ann)
    seqs = await bob.publish_many(20)
    other = await bob.publish("elsewhere", room="other")
    ann2 = await back(hub, ann, user="ann")
    assert recovered(ann2, ann)
    await until(lambda: len(ann2.seqs()) == 20 and ann2.seqs("other"))
    live = await bob.publish("live")
    await until(lambda: len(ann2.seqs()) == 21)
    assert ann2.seqs() == [*seqs, live]
    assert ann2.seqs("other") == [other]
    assert {got.meta.get("replay", False) for got in ann2.events()[:-1]} == {True}
    assert "replay" not in ann2.events()[-1].meta


async def test_a_client_that_saw_no_event_gets_all_since_its_join(hub: Any) -> None:
    bob = await hub.joined("lab", user="bob")
    await bob.publish("before")
    ann = await hub.joined("lab", user="ann")
    await lose(hub, ann)
    seq = await bob.publish("missed")
    ann2 = await back(hub, ann, user="ann")
    assert recovered(ann2, ann)
    await until(lambda: ann2.seqs())
    assert ann2.seqs() == [seq]


def names(member: Member) -> list[str]:
    """Return the names of what came, without acknowledgements and presence; an empty offset as ``open``."""
    got = [("open" if each.data == OPEN else "offset") if each.name == "$offset" else each.name for each in member.got]
    return [name for name in got if name not in ("ack", "$presence")]


async def test_live_events_stand_between_two_offsets_and_one_stands_behind_those_of_a_replay(hub: Any) -> None:
    bob = await hub.joined("lab", user="bob")
    await bob.publish_many(3)
    ann = await hub.joined("lab", user="ann", fields={"last": 3})
    await ann.has("$offset")
    assert names(ann) == ["tick"] * 3 + ["offset"]
    live = await bob.publish()
    replayed, opened, last = await ann.has("$offset", 3)
    assert names(ann) == ["tick"] * 3 + ["offset", "open", "tick", "offset"]
    assert opened == OPEN
    (_, *told), (position, *after) = Offset.parse(replayed) or (), Offset.parse(last) or ()
    assert (position, after) == (live, told)


async def test_the_offset_is_sent_only_to_members_that_may_be_recovered(hub: Any) -> None:
    ann, bob = await hub.joined("lab", user="ann"), await hub.joined("other", user="bob")
    own = await hub.joined("lab", user="ann", recovery=False)
    await ann.publish("x")
    await ann.has("$offset")
    for member in (bob, own):
        await member.settled()
        assert member.named("$offset") == []


async def test_handlers_get_the_data_and_the_hubs_metadata_only(hub: Any) -> None:
    ann = await hub.joined("lab", user="ann")
    await ann.publish({"x": 1})
    await ann.has("$offset")
    (event,) = [got for got in ann.got if got.name == "tick"]
    assert (event.data, event.meta["room"]) == ({"x": 1}, "lab")


async def test_a_volatile_event_tells_no_offset(hub: Any) -> None:
    ann = await hub.joined("lab", user="ann")
    await ann.publish("gone", volatile=True)
    await ann.publish("kept")
    await ann.has("$offset", 2)
    assert names(ann) == ["tick", "open", "tick", "offset"]


async def test_it_survives_the_server(start: Any, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'log.sqlite3'}"
    hub = await start(url=url)
    ann = await hub.joined("lab", user="ann")
    seen = await ann.publish("seen")
    await until(lambda: ann.seqs() == [seen])
    await hub.close()
    hub = await start(url=url)
    bob = await hub.joined("lab", user="bob")
    missed = await bob.publish("missed")
    ann2 = await back(hub, ann, user="ann")
    assert recovered(ann2, ann)
    await until(lambda: ann2.seqs())
    assert ann2.seqs() == [missed]


async def test_it_survives_a_server_whose_clock_is_wrong(start: Any, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'log.sqlite3'}"
    hub = await start(url=url)
    ann = await hub.joined("lab", user="ann")
    seen = await ann.publish("seen")
    await until(lambda: ann.seqs() == [seen])
    for days in (40, -40):
        await hub.close()
        hub = await start(url=url, options={"clock": lambda days=days: time.time() + days * 86_400})
        before, ann = ann, await back(hub, ann, user="ann")
        assert recovered(ann, before)
        seen = await ann.publish("seen")
        await until(lambda ann=ann, seen=seen: ann.seqs() == [seen])


async def test_a_pid_has_one_connection_at_a_time(hub: Any) -> None:
    ann = await hub.joined("lab", user="ann")
    ann2 = await back(hub, ann, user="ann")
    assert recovered(ann2, ann)
    await ann.end()
    seq = await ann2.publish("once")
    await until(lambda: ann2.seqs())
    assert ann2.seqs() == [seq]


async def test_it_is_its_own_users(hub: Any) -> None:
    ann = await hub.joined("lab", user="ann")
    await lose(hub, ann)
    assert not recovered(await back(hub, ann, user="bob"), ann)
    assert recovered(await back(hub, ann, user="ann"), ann)


async def test_a_user_who_may_no_longer_read_is_not_rejoined(start: Any) -> None:
    class Access:
        open = True

        def allows(self, principal: str, action: str, room: str) -> bool:
            return self.open

    access = Access()
    hub = await start(access=access)
    ann = await hub.joined("lab", user="ann")
    await lose(hub, ann)
    access.open = False
    assert not recovered(await back(hub, ann, user="ann"), ann)


async def test_a_gap_is_never_hidden(start: Any) -> None:
    hub = await start(options={"max_events": 10}, ring_events=5)
    ann = await hub.joined("lab", user="ann")
    bob = await hub.joined("lab", user="bob")
    await bob.publish()
    await until(lambda: ann.seqs())
    await lose(hub, ann)
    await bob.publish_many(100)
    deadline = time.monotonic() + 10
    while (await hub.log.stats("lab")).count > 20:
        assert time.monotonic() < deadline, "the log was never trimmed"
        await bob.settled()
    assert not recovered(await back(hub, ann, user="ann"), ann)


async def test_a_client_that_still_catches_up_cannot_be_recovered(start: Any) -> None:
    hub = await start(ring_events=5)
    bob = await hub.joined("lab", user="bob")
    for _ in range(10):
        await bob.publish_many(50, room="past", data="x" * 5000)
    ann = await hub.connect(user="ann", reading=False)  # it reads nothing, so it does not finish catching up
    ann.post("join", {"room": "past", "after": 0})
    await until(lambda: hub.hub.core.participants[ann.id].memberships)
    await lose(hub, ann)
    assert not recovered(await back(hub, ann, user="ann"), ann)


async def test_after_a_goodbye_there_is_nothing_to_recover(hub: Any) -> None:
    ann = await hub.joined("lab", user="ann")
    ann.raw.send("41")
    await until(lambda: ann.id not in hub.io.of("/").sockets)
    assert not recovered(await back(hub, ann, user="ann"), ann)


async def test_a_left_room_is_left(hub: Any) -> None:
    ann = await hub.joined("lab", user="ann")
    await ann.join("other")
    await ann.call("leave", room="lab")
    await lose(hub, ann)
    bob = await hub.joined("lab", user="bob")
    await bob.publish("for others")
    seq = await bob.publish("for ann", room="other")
    ann2 = await back(hub, ann, user="ann")
    assert recovered(ann2, ann)
    await until(lambda: ann2.seqs("other") == [seq])
    assert ann2.seqs() == []


async def test_a_subscription_goes_on_too(hub: Any) -> None:
    ann = await hub.joined("lab", user="ann", fields={"as": "notes"})
    seq = await ann.publish("seen")
    await until(lambda: ann.seqs())
    await lose(hub, ann)
    ann2 = await back(hub, ann, user="ann")
    assert (await ann2.call("ack", {"room": "lab", "as": "notes", "seq": seq}))["cursor"] == seq


async def test_a_client_with_its_own_cursor_gets_no_pid(hub: Any) -> None:
    ann = await hub.connect(user="ann", recovery=False)
    assert set(ann.raw.welcome) == {"sid"}


async def test_it_can_be_switched_off(start: Any) -> None:
    hub = await start(recovery=0)
    assert set((await hub.connect(user="ann")).raw.welcome) == {"sid"}


@pytest.mark.parametrize("wrong", ["", "x", "-1", "9" * 30, "999999"])
async def test_an_offset_of_another_log_recovers_nothing(hub: Any, wrong: str) -> None:
    ann = await hub.joined("lab", user="ann")
    await lose(hub, ann)
    assert not recovered(await back(hub, ann, user="ann", offset=wrong), ann)


async def test_the_state_of_a_connection_is_written_once_for_many_joins(
    start: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_store, "WRITE_INTERVAL", 3600.0)
    hub = await start(url=f"sqlite:///{tmp_path / 'log.sqlite3'}")
    written: list[int] = []
    put = hub.log.key_values.put

    def count(key: str, value: bytes | None, until: float) -> Any:
        written.append(len(value or b""))
        return put(key, value, until)

    monkeypatch.setattr(hub.log.key_values, "put", count)
    ann = await hub.connect(user="ann")
    for _ in range(3):
        for number in range(30):
            await ann.join(f"room-{number}")
    assert len(written) <= 2  # the first room, and its removal
    await lose(hub, ann)
    assert recovered(await back(hub, ann, user="ann"), ann)


async def test_a_client_that_missed_its_removal_from_a_room_is_not_recovered(hub: Any) -> None:
    ann = await hub.joined("lab", user="ann", fields={"as": "x"})
    seen = offset(ann)
    other = await hub.joined("lab", user="ann", fields={"as": "x"})
    await ann.has("$taken")
    await lose(hub, ann)
    assert not recovered(await hub.connect(user="ann", pid=ann.raw.welcome["pid"], **told(seen)), ann)
    await other.settled()


async def test_a_client_that_received_a_part_of_a_batch_is_not_recovered(hub: Any) -> None:
    ann = await hub.joined("lab", user="ann")
    await (await hub.joined("lab", user="bob")).publish()
    assert (await ann.has("$offset", 2))[0] == OPEN
    await lose(hub, ann)
    assert not recovered(await hub.connect(user="ann", pid=ann.raw.welcome["pid"], offset=OPEN), ann)


async def test_an_acknowledged_live_event_proves_that_earlier_ones_were_received(hub: Any) -> None:
    bob = await hub.joined("lab", user="bob")
    await bob.publish_many(3)
    ann = await hub.joined("lab", user="ann", fields={"last": 3})
    replayed = (await ann.has("$offset"))[0]
    await bob.publish()
    await ann.has("$offset", 3)
    await lose(hub, ann)
    ann2 = await hub.connect(user="ann", pid=ann.raw.welcome["pid"], offset=replayed)
    assert recovered(ann2, ann)  # it received the replay, but no later event
    await until(lambda: len(ann2.seqs()) == 1)


def told(offset: str | None) -> dict[str, str]:
    return {} if offset is None else {"offset": offset}


async def test_a_client_that_lost_its_subscription_meanwhile_is_not_recovered(hub: Any) -> None:
    ann = await hub.joined("lab", user="ann", fields={"as": "notes"})
    await lose(hub, ann)
    other = await hub.connect(user="ann")
    await other.call("unsubscribe", room="lab", **{"as": "notes"})
    assert not recovered(await back(hub, ann, user="ann"), ann)


@pytest.mark.parametrize("what", ["delete", "reset"])
async def test_nobody_is_recovered_into_a_room_that_ended_meanwhile(hub: Any, monkeypatch: Any, what: str) -> None:
    """The return was planned before the room was deleted, or the log was replaced."""
    ann = await hub.joined("lab", user="ann")
    bob = await hub.joined("lab", user="bob")
    await bob.publish("seen")
    await until(lambda: ann.seqs())
    await lose(hub, ann)
    notes = hub.hub.recovery._store
    take = notes.take

    async def take_late(pid: str) -> None:
        if what == "delete":
            assert (await bob.ask("delete", {"room": "lab"}))["ok"]
        else:
            hub.hub._reset("it was replaced")
        await take(pid)

    monkeypatch.setattr(notes, "take", take_late)
    assert not recovered(await back(hub, ann, user="ann"), ann)


async def test_saved_sessions_of_one_user_never_evict_those_of_others(start: Any, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/log.sqlite3"
    first = await start(url=url)
    members = [await first.joined("lab", user=f"user{i}") for i in range(10)]
    for member in members:
        await lose(first, member)
    size = first.hub.recovery._store._quota.bytes("user0")
    await first.close()
    second = await start(url=url, session_bytes=2 * size)
    assert [second.hub.recovery._store._quota.bytes(f"user{i}") for i in range(10)] == [size] * 10
    again = [await back(second, member, user=f"user{i}") for i, member in enumerate(members)]
    assert all(recovered(new, old) for new, old in zip(again, members, strict=True))
