from __future__ import annotations

from typing import Any

import pytest
from support.members import Refused, until

from jupyter_rtmsg.hub import Kernel


async def test_the_first_join_ever_starts_from_now_and_the_next_where_it_left_off(hub: Any) -> None:
    writer = await hub.connect()
    old = await writer.publish()
    reader = await hub.connect(user="ann")
    reply = await reader.join(**{"as": "notes"})
    assert (reply["missed"], reply["cursor"], reply["as"], reply["recovered"]) == (0, old, "notes", True)
    await reader.leave()
    seqs = await writer.publish_many(5)
    back = await hub.connect(user="ann")
    reply = await back.join(**{"as": "notes"})
    assert (reply["missed"], reply["cursor"]) == (5, old)
    await until(lambda: back.seqs() == seqs)


async def test_acks_are_cumulative_and_never_go_back(hub: Any) -> None:
    member = await hub.connect(user="ann")
    await member.join(**{"as": "notes"})
    seqs = await member.publish_many(5)
    assert (await member.call("ack", {"room": "lab", "as": "notes", "seq": seqs[2]}))["cursor"] == seqs[2]
    assert (await member.call("ack", {"room": "lab", "seq": seqs[0]}))["cursor"] == seqs[2]
    assert (await member.call("lag", {"room": "lab", "as": "notes"}))["missed"] == 2
    again = await hub.connect(user="ann")
    assert (await again.join(**{"as": "notes"}))["missed"] == 2


async def test_a_cursor_outlives_the_hub(start: Any, tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path}/log.sqlite3"
    first = await start(url=url)
    member = await first.joined(user="ann", fields={"as": "notes"})
    seqs = await member.publish_many(3)
    await member.call("ack", room="lab", seq=seqs[1])
    await first.close()
    second = await start(url=url)
    reader = await second.connect(user="ann")
    assert (await reader.join(**{"as": "notes"}))["missed"] == 1
    await until(lambda: reader.seqs() == seqs[2:])


async def test_a_newer_connection_takes_over_and_the_older_one_is_told_and_gets_no_more(hub: Any) -> None:
    older = await hub.joined(user="ann", fields={"as": "notes"})
    newer = await hub.joined(user="ann", fields={"as": "notes"})
    assert await older.has("$taken") == [{"room": "lab", "as": "notes"}]
    seq = await newer.publish()
    await until(lambda: newer.seqs() == [seq])
    await older.settled()
    assert older.seqs() == []
    with pytest.raises(Refused) as refused:
        await older.call("ack", room="lab", seq=seq)
    assert refused.value.code == "not_joined"
    await newer.call("ack", room="lab", seq=seq)


async def test_another_user_room_or_name_is_another_subscription(hub: Any) -> None:
    owner = await hub.joined(user="ann", fields={"as": "notes"})
    await hub.joined(user="bob", fields={"as": "notes"})
    await hub.joined("other", user="ann", fields={"as": "notes"})
    await hub.joined(user="ann", fields={"as": "more"})
    await owner.call("ack", room="lab", seq=0)
    assert not owner.named("$taken")


async def test_the_end_of_an_older_owner_leaves_the_newer_one_alone(hub: Any) -> None:
    older = await hub.joined(user="ann", fields={"as": "notes"})
    newer = await hub.joined(user="ann", fields={"as": "notes"})
    await older.has("$taken")
    await older.leave()
    await hub.joined(user="ann", fields={"as": "notes"})
    await newer.has("$taken")


async def test_only_the_owner_may_ack_and_only_what_there_is(hub: Any) -> None:
    member = await hub.connect(user="ann")
    cases = [({"room": "lab", "seq": 0, "as": "notes"}, "not_joined")]
    await member.join("plain")
    cases += [({"room": "plain", "seq": 0}, "not_joined"), ({"room": "plain", "seq": 0, "as": "x"}, "not_joined")]
    await member.join(**{"as": "mine"})
    cases += [({"room": "lab", "seq": 0, "as": "notes"}, "not_joined"), ({"room": "lab"}, "bad_request")]
    cases += [({"room": "lab", "seq": 99}, "epoch"), ({"room": "lab", "seq": "1"}, "bad_request")]
    for request, code in cases:
        with pytest.raises(Refused) as refused:
            await member.call("ack", request)
        assert refused.value.code == code, request


async def test_a_user_may_have_so_many_subscriptions_in_a_room(start: Any) -> None:
    hub = await start(subscriptions=2)
    member = await hub.connect(user="ann")
    for name in ("a", "b", "a"):
        await member.join(**{"as": name})
    with pytest.raises(Refused, match="ann has 2 subscriptions") as refused:
        await member.join(**{"as": "c"})
    assert refused.value.code == "limit"
    await member.join("other", **{"as": "c"})
    await hub.joined(user="bob", fields={"as": "c"})


async def test_a_cursor_of_another_epoch_brings_everything_of_this_one(start: Any) -> None:
    hub = await start()
    member = await hub.joined(user="ann", fields={"as": "notes"})
    await member.leave()
    seqs = await (await hub.connect()).publish_many(3)
    hub.log.epoch = "another"  # as if the file had been replaced while nobody looked
    back = await hub.connect(user="ann")
    reply = await back.join(**{"as": "notes"})
    assert (reply["recovered"], reply["reason"], reply["missed"], reply["cursor"]) == (False, "epoch", 3, 0)
    await until(lambda: back.seqs() == seqs)


async def test_lag_counts_by_event_after_a_cursor_or_a_position(hub: Any) -> None:
    member = await hub.connect(user="ann")
    await member.join(**{"as": "notes"})
    seqs = [await member.publish("xx", event=name) for name in ("a", "b", "a")]
    reply = await member.call("lag", room="lab")
    assert (reply["missed"], reply["by_event"], reply["cursor"]) == (3, {"a": 2, "b": 1}, 0)
    assert reply["bytes"] > 0
    history = await member.call("history", room="lab")
    assert reply["oldest"] == history["events"][0]["ts"]
    reply = await member.call("lag", room="lab", after=seqs[-1])
    assert (reply["missed"], reply["bytes"], reply["oldest"], reply["by_event"]) == (0, 0, None, {})


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({}, "bad_request"),
        ({"as": "never"}, "not_joined"),
        ({"after": 9}, "epoch"),
        ({"after": 0, "as": "x"}, "bad_request"),
    ],
)
async def test_a_wrong_lag_is_refused_by_name(hub: Any, fields: dict[str, Any], code: str) -> None:
    member = await hub.connect()
    with pytest.raises(Refused) as refused:
        await member.call("lag", {"room": "lab", **fields})
    assert refused.value.code == code


async def proved(hub: Any, notebook: str | None, **auth: Any) -> Any:
    async def prove(kernel: str, proof: str, socket_id: str) -> Kernel | None:
        return Kernel(kernel, notebook) if proof == "of " + socket_id else None

    hub.hub.prove = prove
    member = await hub.connect(**auth)
    assert (await member.call("prove", kernel="k1", proof="of " + member.id))["notebook"] == notebook
    return member


async def test_a_proved_kernel_is_subscribed_as_its_notebook(hub: Any) -> None:
    kernel = await proved(hub, "a/train.ipynb", user="ann")
    reply = await kernel.join()
    assert (reply["as"], reply["missed"]) == ("a/train.ipynb", 0)
    (me,) = reply["members"]
    assert (me["kind"], me["name"], me["notebook"]) == ("kernel", "train", "a/train.ipynb")
    await kernel.publish()
    await until(lambda: kernel.events())
    assert kernel.events()[0].meta["from"]["kind"] == "kernel"


async def test_a_kernel_without_a_notebook_is_subscribed_by_its_id(hub: Any) -> None:
    assert (await (await proved(hub, None)).join())["as"] == "kernel:k1"


@pytest.mark.parametrize("known", [True, False])
async def test_a_wrong_proof_is_refused_and_changes_nothing(hub: Any, known: bool) -> None:
    member = await (proved(hub, "x.ipynb") if known else hub.connect())
    other = await hub.connect()
    with pytest.raises(Refused) as refused:
        await other.call("prove", kernel="k1", proof="of " + member.id)
    assert refused.value.code == "bad_proof"
    assert "as" not in await other.join()


async def test_a_renamed_notebook_keeps_its_cursor_and_its_live_owner(hub: Any) -> None:
    kernel = await proved(hub, "old.ipynb", user="ann")
    await kernel.join()
    seqs = await kernel.publish_many(4)
    await kernel.call("ack", room="lab", seq=seqs[0])
    await hub.hub.rename("old.ipynb", "new.ipynb")
    await kernel.call("ack", room="lab", seq=seqs[1])
    assert (await kernel.call("lag", {"room": "lab", "as": "new.ipynb"}))["missed"] == 2
    assert (await kernel.call("lag", {"room": "lab"}))["missed"] == 2
    with pytest.raises(Refused):
        await kernel.call("lag", {"room": "lab", "as": "old.ipynb"})
    (me,) = (await kernel.call("presence", room="lab"))["members"]
    assert (me["name"], me["notebook"]) == ("new", "new.ipynb")
    again = await proved(hub, "new.ipynb", user="ann")
    assert (await again.join())["missed"] == 2
    assert await kernel.has("$taken") == [{"room": "lab", "as": "new.ipynb"}]
