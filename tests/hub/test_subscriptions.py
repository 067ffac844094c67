from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support.members import Refused, until

from jupyter_rtmsg.hub import Claim, ProvenKernel
from jupyter_rtmsg.hub.hub import SWEEP_INTERVAL
from jupyter_rtmsg.hub.subscription_index import weight
from jupyter_rtmsg.log import StoredSubscription

DAY = 86_400


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


async def test_only_the_owner_may_ack_and_only_stored_events(hub: Any) -> None:
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


async def test_one_subscription_too_many_ends_the_one_that_was_idle_longest(start: Any) -> None:
    time = Time()
    hub = await start(options={"clock": time, "monotonic": time}, subscriptions=3)
    member = await hub.connect(user="ann")
    for number, name in enumerate("abc"):
        await member.join(f"room-{number}", **{"as": name})
        await member.call("leave", room=f"room-{number}")
        time.now += 1
    await member.join("room-0", **{"as": "a"})  # now `b` is the one idle longest
    await member.call("leave", room="room-0")
    assert (await member.join("new", **{"as": "d"}))["as"] == "d"
    assert await listed(member) == {"a": False, "c": False, "d": False, "b": True}
    other = await hub.connect(user="bob")
    await other.join(**{"as": "c"})
    assert await listed(member) == {"a": False, "c": False, "d": False, "b": True}


async def test_only_when_all_subscriptions_are_in_use_another_one_is_refused(start: Any) -> None:
    hub = await start(subscriptions=2)
    member = await hub.connect(user="ann")
    for room in ("one", "two"):
        await member.join(room, **{"as": "a"})
    with pytest.raises(Refused, match="ann has 2 subscriptions, the limit is 2, and all") as refused:
        await member.join("three", **{"as": "a"})
    assert refused.value.code == "limit"
    await member.join("three")  # without a subscription
    await member.call("leave", room="one")
    await member.join("three", **{"as": "a"})


async def test_ended_subscriptions_are_bounded(start: Any) -> None:
    hub = await start(subscriptions=2)
    member = await hub.connect(user="ann")
    for number in range(9):
        await member.join(f"room-{number}", **{"as": "a"})
        await member.call("leave", room=f"room-{number}")
    assert len(hub.log.subscriptions.all()) == 4


async def test_an_idle_subscription_ends_by_log_time_and_one_in_use_does_not(start: Any) -> None:
    time = Time()
    hub = await start(options={"clock": time, "monotonic": time, "max_age": 90 * DAY}, subscription_age=30 * DAY)
    live = await hub.joined(user="ann", fields={"as": "live"})
    idle = await hub.joined(user="ann", fields={"as": "idle"})
    writer = await hub.connect()
    await writer.publish()
    await idle.leave()
    await until(lambda: len(hub.hub.core.participants) == 2)
    await time.go_on(31 * DAY, lambda: hub.log.subscriptions.now())
    hub.hub.core.subscriptions.sweep()
    assert await listed(live) == {"live": False, "idle": True}
    await live.leave()
    again = await hub.connect(user="ann")
    assert (await again.join(**{"as": "live"}))["missed"] == 1
    await again.call("leave", room="lab")
    assert (await again.join(**{"as": "idle"}))["missed"] == 0  # it begins anew
    await time.go_on(25 * 3600, lambda: hub.log.subscriptions.now())
    hub.hub.core.subscriptions.sweep()
    assert await listed(again) == {"live": False, "idle": False}


async def test_a_reader_is_told_when_the_subscription_that_it_comes_back_to_has_ended(start: Any) -> None:
    time = Time()
    hub = await start(options={"clock": time, "monotonic": time, "max_age": 90 * DAY}, subscription_age=30 * DAY)
    reader = await hub.joined(user="ann", fields={"as": "notes"})
    await reader.leave()
    await until(lambda: not len(hub.hub.core.participants))
    await time.go_on(31 * DAY, lambda: hub.log.subscriptions.now())
    hub.hub.core.subscriptions.sweep()
    ended = hub.log.now()
    await time.go_on(3 * DAY, lambda: hub.log.subscriptions.now())  # it is not listed any more
    hub.hub.core.subscriptions.sweep()
    back = await hub.connect(user="ann")
    assert abs((await back.join(**{"as": "notes"}))["ended"] - ended) < 60_000
    assert "ended" not in await back.join(**{"as": "notes"})
    assert "ended" not in await back.join(room="other", **{"as": "notes"})


async def test_the_hub_ends_idle_subscriptions_by_itself_and_looks_seldom(start: Any) -> None:
    time, now = Time(), [0.0]
    options = {"clock": time, "monotonic": time}
    hub = await start(options=options, clock=lambda: now[0], recheck=0.01, subscription_age=DAY)
    for name in ("first", "second"):
        reader = await hub.joined(name, user="ann", fields={"as": name})
        await reader.leave()
        await until(lambda: not len(hub.hub.core.participants))
        await time.go_on(2 * DAY, lambda: hub.log.subscriptions.now())
        now[0] += SWEEP_INTERVAL
        await until(lambda: all(row.ended for row in hub.log.subscriptions.all()))


async def test_a_subscription_that_expired_is_not_found_even_before_anybody_swept(start: Any) -> None:
    time = Time()
    hub = await start(options={"clock": time, "monotonic": time}, subscription_age=DAY)
    reader = await hub.joined(user="ann", fields={"as": "notes"})
    await reader.leave()
    await (await hub.connect()).publish_many(2)
    await until(lambda: len(hub.hub.core.participants) == 1)
    await time.go_on(2 * DAY, lambda: hub.log.subscriptions.now())
    back = await hub.connect(user="ann")
    with pytest.raises(Refused) as refused:
        await back.call("lag", {"room": "lab", "as": "notes"})
    assert refused.value.code == "not_joined"
    assert (await back.join(**{"as": "notes"}))["missed"] == 0


async def test_a_cursor_of_another_epoch_brings_everything_of_this_one(start: Any) -> None:
    hub = await start()
    member = await hub.joined(user="ann", fields={"as": "notes"})
    await member.leave()
    seqs = await (await hub.connect()).publish_many(3)
    hub.log.epoch = "another"  # as if the file had been replaced unnoticed
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


async def proved(
    hub: Any,
    notebook: str | None,
    *,
    path: str | None = None,
    kernel: str = "k1",
    process: str | None = None,
    **auth: Any,
) -> Any:
    async def prove(claim: Claim) -> ProvenKernel | None:
        return ProvenKernel(claim.kernel, notebook, path) if claim.proof == "of " + claim.socket_id else None

    hub.hub.core.prove = prove
    member = await hub.connect(**auth)
    reply = await member.call("hello", kernel=kernel, proof="of " + member.id, process=process)
    assert reply.get("notebook") == notebook
    return member


async def listed(member: Any) -> dict[str, bool]:
    """Return the subscriptions of a member by name, and whether each has ended."""
    reply = await member.call("subscriptions", {})
    return {each["as"]: "ended" in each for each in reply["subscriptions"]}


class Time:
    """Both clocks of a log, set by the test."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now

    async def go_on(self, seconds: float, look: Callable[[], int]) -> None:
        """Advance both clocks, in steps that do not count as a jump."""
        for _ in range(int(seconds // 1800) + 1):
            self.now += 1800
            look()


async def test_a_proved_kernel_is_subscribed_as_its_notebook(hub: Any) -> None:
    kernel = await proved(hub, "a/train.ipynb", user="ann")
    reply = await kernel.join()
    assert (reply["as"], reply["missed"]) == ("a/train.ipynb", 0)
    (me,) = reply["members"]
    assert (me["kind"], me["name"], me["notebook"]) == ("kernel", "train", "a/train.ipynb")
    await kernel.publish()
    await until(lambda: kernel.events())
    assert kernel.events()[0].meta["from"]["kind"] == "kernel"


async def test_a_kernel_without_a_notebook_leaves_no_subscription_unless_it_asks_for_one(hub: Any) -> None:
    kernel = await proved(hub, None)
    reply = await kernel.join()
    assert (reply.get("as"), reply["missed"]) == (None, None)
    assert not hub.log.subscriptions.all()
    assert (await kernel.join("other", **{"as": "mine"}))["as"] == "mine"


@pytest.mark.parametrize("known", [True, False])
async def test_a_wrong_proof_is_refused_and_changes_nothing(hub: Any, known: bool) -> None:
    member = await (proved(hub, "x.ipynb") if known else hub.connect())
    other = await hub.connect()
    with pytest.raises(Refused) as refused:
        await other.call("prove", kernel="k1", proof="of " + member.id)
    assert refused.value.code == "bad_proof"
    assert "as" not in await other.join()


async def test_a_renamed_notebook_keeps_its_cursor_and_its_live_owner_which_is_told(hub: Any) -> None:
    kernel = await proved(hub, "old.ipynb", user="ann")
    await kernel.join()
    seqs = await kernel.publish_many(4)
    await kernel.call("ack", room="lab", seq=seqs[0])
    hub.hub.rename("old.ipynb", "new.ipynb", "new.ipynb")
    assert await kernel.has("$renamed") == [{"notebook": "new.ipynb", "old": "old.ipynb"}]
    await kernel.call("ack", room="lab", seq=seqs[1])
    assert (await kernel.call("lag", {"room": "lab", "as": "new.ipynb"}))["missed"] == 2
    assert (await kernel.call("lag", {"room": "lab"}))["missed"] == 2
    (me,) = (await kernel.call("presence", room="lab"))["members"]
    assert (me["name"], me["notebook"]) == ("new", "new.ipynb")
    again = await proved(hub, "new.ipynb", user="ann")
    assert (await again.join())["missed"] == 2
    assert await kernel.has("$taken") == [{"room": "lab", "as": "new.ipynb"}]


async def test_a_client_of_0_1_0_may_ack_under_the_name_by_which_it_joined(hub: Any) -> None:
    kernel = await proved(hub, "old.ipynb", user="ann")
    await kernel.join()
    seq = await kernel.publish()
    hub.hub.rename("old.ipynb", "new.ipynb", "new.ipynb")
    await kernel.call("ack", {"room": "lab", "seq": seq, "as": "old.ipynb"})
    assert (await kernel.call("lag", {"room": "lab"}))["missed"] == 0


async def test_a_renamed_directory_takes_everything_beneath_along_and_nothing_else(hub: Any) -> None:
    places = ["/r/a/x.ipynb", "/r/a/deep/y.md", "/r/ab/z.ipynb"]
    kernels = {path: await proved(hub, path[3:], path=path, user="ann", kernel=path) for path in places}
    for kernel in kernels.values():
        await kernel.join()
    hub.hub.rename("/r/a", "/r/b", "b")
    assert [row.label for row in hub.log.subscriptions.all()] == ["b/x.ipynb", "b/deep/y.md", "ab/z.ipynb"]
    assert [row.path for row in hub.log.subscriptions.all()] == ["/r/b/x.ipynb", "/r/b/deep/y.md", "/r/ab/z.ipynb"]
    assert await kernels[places[1]].has("$renamed") == [{"notebook": "b/deep/y.md", "old": "a/deep/y.md"}]
    await kernels[places[2]].settled()
    assert not kernels[places[2]].named("$renamed")
    again = await proved(hub, "b/x.ipynb", path="/r/b/x.ipynb", user="ann")
    assert (await again.join())["as"] == "b/x.ipynb"
    assert await kernels[places[0]].has("$taken")


async def test_a_rename_onto_another_notebook_ends_the_subscriptions_of_that(hub: Any) -> None:
    one = await proved(hub, "one.ipynb", user="ann", kernel="k1")
    two = await proved(hub, "two.ipynb", user="ann", kernel="k2")
    for kernel in (one, two):
        await kernel.join()
    seq = await one.publish()
    await one.call("ack", room="lab", seq=seq)
    hub.hub.rename("one.ipynb", "two.ipynb", "two.ipynb")
    await two.call("ack", room="lab", seq=seq)  # it goes on until it leaves
    again = await proved(hub, "two.ipynb", user="ann", kernel="k3")
    assert (await again.join())["cursor"] == seq
    assert await one.has("$taken")


async def test_only_permitted_subscriptions_and_connections_follow_a_rename(hub: Any) -> None:
    ann = await proved(hub, "nb.ipynb", user="ann", kernel="k1")
    bob = await proved(hub, "nb.ipynb", user="bob", kernel="k2")
    for kernel in (ann, bob):
        await kernel.join()
    hub.hub.rename("nb.ipynb", "new.ipynb", "new.ipynb", permits="ann".__eq__)
    assert {row.user: row.label for row in hub.log.subscriptions.all()} == {"ann": "new.ipynb", "bob": "nb.ipynb"}
    hub.hub.delete("nb.ipynb", permits="ann".__eq__)
    assert all(row.ended is None for row in hub.log.subscriptions.all())
    await bob.settled()
    assert not bob.named("$renamed")


async def test_a_deleted_notebook_starts_anew_and_its_old_subscription_is_still_listed(hub: Any) -> None:
    kernel = await proved(hub, "Untitled.ipynb", user="ann")
    await kernel.join()
    seqs = await kernel.publish_many(3)
    hub.hub.delete("Untitled.ipynb")
    await kernel.call("ack", room="lab", seq=seqs[0])  # it goes on until it leaves
    assert (await kernel.call("lag", {"room": "lab"}))["missed"] == 2
    new = await proved(hub, "Untitled.ipynb", user="ann", kernel="k2")
    reply = await new.join()
    assert (reply["missed"], reply["cursor"]) == (0, seqs[-1])
    await kernel.settled()
    assert not kernel.named("$taken")
    ended = [(each["as"], "ended" in each) for each in (await new.call("subscriptions", {}))["subscriptions"]]
    assert sorted(ended) == [("Untitled.ipynb", False), ("Untitled.ipynb", True)]


async def test_a_renamed_link_changes_the_name_and_not_the_place(hub: Any) -> None:
    kernel = await proved(hub, "link.ipynb", path="/data/real.ipynb", user="ann", kernel="k1")
    other = await proved(hub, "real.ipynb", path="/data/real.ipynb", user="bob", kernel="k2")
    for each in (kernel, other):
        await each.join()
    key = next(row.key for row in hub.log.subscriptions.all() if row.user == "ann")
    hub.hub.rename("/data/real.ipynb", "/data/real.ipynb", "renamed.ipynb", was="link.ipynb")
    assert await kernel.has("$renamed") == [{"notebook": "renamed.ipynb", "old": "link.ipynb"}]
    assert {(row.user, row.label, row.key) for row in hub.log.subscriptions.all()} == {
        ("ann", "renamed.ipynb", key),
        ("bob", "real.ipynb", key),
    }


async def test_the_first_join_adopts_the_subscription_of_0_1_0_under_the_relative_path(start: Any) -> None:
    def kept(log: Any) -> None:
        for user, name, position in (
            ("token:kernel", "a/nb.ipynb", 1),
            ("ann", "mine.ipynb", 2),
            ("bob", "x.ipynb", 1),
        ):
            log.subscriptions.add(
                StoredSubscription(user, "lab", name, name, None, log.epoch, position, 1, inherited=True)
            )

    hub = await start(prepare=kept)
    await (await hub.connect()).publish_many(3)
    for path, missed in (("a/nb.ipynb", 2), ("mine.ipynb", 1), ("x.ipynb", 0)):
        kernel = await proved(hub, path, path="/root/" + path, user="ann")
        assert (await kernel.join())["missed"] == missed, path
        await kernel.leave()
    second = await proved(hub, "a/nb.ipynb", path="/other/a/nb.ipynb", user="ann")  # it is adopted once
    assert (await second.join())["missed"] == 0


async def test_a_principal_inherits_the_names_of_those_that_it_was_before(start: Any) -> None:
    def kept(log: Any) -> None:
        row = StoredSubscription("token:server", "lab", "notes", "notes", None, log.epoch, 1, 1, inherited=True)
        log.subscriptions.add(row)

    hub = await start(prepare=kept)
    hub.hub.core.former_names = lambda principal: ["token:server"] if principal == "ann" else []
    await (await hub.connect()).publish_many(3)
    assert (await (await hub.connect(user="ann")).join(**{"as": "notes"}))["missed"] == 2
    assert (await (await hub.connect(user="token:server")).join(**{"as": "notes"}))["missed"] == 0


async def test_a_notebook_keeps_its_place_when_the_server_calls_its_kernels_otherwise(hub: Any) -> None:
    before = await proved(hub, "nb.ipynb", user="token:kernel")
    await before.join()
    await before.join("named", **{"as": "mine"})
    seqs = await before.publish_many(2)
    await before.call("ack", room="lab", seq=seqs[0])
    await before.leave()
    hub.hub.core.former_names = lambda principal: ["token:kernel"] if principal == "ann" else []
    for user, missed in (("bob", 0), ("ann", 1), ("token:kernel", 0)):
        kernel = await proved(hub, "nb.ipynb", user=user, kernel=user)
        assert (await kernel.join())["missed"] == missed, user
        await kernel.leave()
    assert (await (await hub.connect(user="ann")).join("named", **{"as": "mine"}))["missed"] == 0


async def test_a_notebook_keeps_its_place_under_another_root_and_a_path_of_any_length(hub: Any) -> None:
    path = "/r/" + "/".join(["x" * 200] * 15) + "/nb.ipynb"
    kernel = await proved(hub, path[3:], path=path, user="ann")
    await kernel.join()
    seqs = await kernel.publish_many(2)
    assert (await kernel.call("ack", room="lab", seq=seqs[0]))["cursor"] == seqs[0]
    again = await proved(hub, path[1:], path=path, user="ann", kernel="k2")
    reply = await again.join()
    assert (reply["as"], reply["missed"]) == (path[1:], 1)
    assert (await again.call("lag", {"room": "lab"}))["missed"] == 1


async def test_a_second_client_of_one_kernels_process_joins_without_the_place(hub: Any) -> None:
    first = await proved(hub, "nb.ipynb", user="ann", client="c1", process="p1")
    assert "place" not in await first.join()
    second = await proved(hub, "nb.ipynb", user="ann", client="c2", process="p1")
    seq = await first.publish()
    reply = await second.join()
    assert (reply["place"], reply.get("as"), reply["missed"], reply["cursor"]) == ("taken", None, None, seq)
    await first.call("ack", room="lab", seq=seq)
    assert not first.named("$taken")
    assert "place" not in await second.join("elsewhere")
    again = await proved(hub, "nb.ipynb", user="ann", client="c1", process="p1")
    assert (await again.join())["as"] == "nb.ipynb"  # a reconnect
    assert await first.has("$taken")
    restarted = await proved(hub, "nb.ipynb", user="ann", client="c3", process="p2")
    assert (await restarted.join())["as"] == "nb.ipynb"
    assert await again.has("$taken")


async def test_a_second_client_that_comes_back_first_leaves_the_place_to_the_first(hub: Any) -> None:
    second = await proved(hub, "nb.ipynb", user="ann", client="c2", process="p1")
    reply = await second.join(place="taken")
    assert (reply["place"], reply.get("as")) == ("taken", None)
    first = await proved(hub, "nb.ipynb", user="ann", client="c1", process="p1")
    assert (await first.join())["as"] == "nb.ipynb"
    assert not second.named("$taken")
    named = await proved(hub, "nb.ipynb", user="ann", client="c3", process="p1")
    assert (await named.join(place="taken", **{"as": "mine"}))["as"] == "mine"


@pytest.mark.parametrize("name", ["a\0b", "line\nbreak", "bell\a", "\u2028"])
async def test_control_characters_in_a_name_are_refused(hub: Any, name: str) -> None:
    member = await hub.connect(user="ann")
    with pytest.raises(Refused, match="control, format") as refused:
        await member.join(**{"as": name})
    assert refused.value.code == "bad_request"


async def test_one_lists_and_deletes_ones_own_subscriptions(hub: Any) -> None:
    member = await hub.connect(user="ann")
    await hub.joined(user="bob", fields={"as": "his"})
    for room in ("lab", "other"):
        await member.join(room, **{"as": "mine"})
    seq = await member.publish()
    await member.call("ack", room="lab", seq=seq)
    await member.call("leave", room="other")
    found = (await member.call("subscriptions", {}))["subscriptions"]
    (lab,) = [each for each in found if each["room"] == "lab"]
    assert (lab["as"], lab["kind"], lab["cursor"], lab["head"], lab["live"]) == ("mine", "name", seq, seq, True)
    assert 0 <= hub.log.now() - lab["used"] < 60_000
    (other,) = [each for each in found if each["room"] == "other"]
    assert (other["live"], other["expires"] - other["used"]) == (False, 30 * DAY * 1000)
    assert len((await member.call("subscriptions", room="other"))["subscriptions"]) == 1
    assert (await member.call("unsubscribe", {"room": "other", "as": "mine"}))["deleted"] == 1
    assert [each["room"] for each in (await member.call("subscriptions", {}))["subscriptions"]] == ["lab"]
    for fields, code in (
        ({"room": "other", "as": "mine"}, "not_joined"),
        ({"room": "lab", "as": "his"}, "not_joined"),
        ({"room": "lab"}, "bad_request"),
        ({"as": "mine"}, "bad_request"),
    ):
        with pytest.raises(Refused) as refused:
            await member.call("unsubscribe", fields)
        assert refused.value.code == code, fields


async def test_a_subscription_that_was_deleted_while_in_use_begins_anew_at_the_next_join(hub: Any) -> None:
    member = await hub.connect(user="ann")
    await member.join(**{"as": "mine"})
    seqs = await member.publish_many(2)
    await member.call("unsubscribe", {"room": "lab", "as": "mine"})
    await member.call("ack", room="lab", seq=seqs[0])
    await member.leave()
    back = await hub.connect(user="ann")
    assert (await back.join(**{"as": "mine"}))["missed"] == 0


async def test_a_list_too_long_for_a_message_is_cut_and_says_so(start: Any) -> None:
    hub = await start(message=8_000)
    member = await hub.connect(user="ann")
    for number in range(40):
        await member.join(f"room-{number}", **{"as": "x" * 200})
    reply = await member.call("subscriptions", {})
    assert (reply["count"], reply["more"]) == (40, True)
    assert 5 < len(reply["subscriptions"]) < 40
    assert reply["subscriptions"][0]["room"] == "room-39"  # the latest first


async def test_long_names_take_no_more_than_a_users_bytes(start: Any) -> None:
    hub = await start(subscription_bytes=3_000)
    ann, bob = await hub.connect(user="ann"), await hub.connect(user="bob")
    await bob.join(**{"as": "mine"})
    await bob.call("leave", room="lab")
    for i in range(20):
        await ann.join(**{"as": f"{i:03}" + "x" * 250})
        await ann.call("leave", room="lab")
    index = hub.hub.core.subscriptions._index
    assert index.bytes("ann") <= 3_000
    assert [row.label[:3] for row in index.of("ann")] == [f"{i:03}" for i in range(16, 20)]
    rows = hub.log.subscriptions.all()
    assert (len(rows), [row.label for row in rows if row.user == "bob"]) == (5, ["mine"])


async def test_over_the_limit_of_subscriptions_the_user_with_most_loses_its_oldest(start: Any) -> None:
    hub = await start(subscription_bytes=3_000, subscription_bytes_in_all=4_000)
    users = {name: await hub.connect(user=name) for name in ("ann", "eve", "bob")}
    for name, number in (("ann", 2), ("eve", 4), ("bob", 2)):
        for i in range(number):
            await users[name].join(**{"as": f"{i}" + "x" * 250})
            await users[name].call("leave", room="lab")
    index = hub.hub.core.subscriptions._index
    assert index.bytes() <= 4_000
    assert [len(index.of(name)) for name in users] == [2, 2, 2]


async def test_subscriptions_that_are_all_in_use_are_not_ended_for_their_bytes(start: Any) -> None:
    hub = await start(subscription_bytes=1_000)
    await hub.joined("a", user="ann", fields={"as": "x" * 250})
    ann = await hub.connect(user="ann")
    with pytest.raises(Refused, match=r"limit: ann has subscriptions of .* bytes, the limit is 1000"):
        await ann.join("b", **{"as": "y" * 250})
    await ann.join("b")


async def test_the_bytes_of_subscriptions_are_counted_through_renames_ends_and_restarts(
    start: Any, tmp_path: Any
) -> None:
    hub = await start(url=f"sqlite:///{tmp_path}/log.sqlite3", subscriptions=2)
    ann = await hub.connect(user="ann")
    for name in ("a", "bb", "ccc", "a"):
        await ann.join(**{"as": name})
        await ann.call("leave", room="lab")
    subscriptions = hub.hub.core.subscriptions
    before = subscriptions._index.bytes("ann")
    subscriptions.reload()
    assert subscriptions._index.bytes("ann") == before == sum(map(weigh, hub.log.subscriptions.all()))


def weigh(row: Any) -> int:
    return weight(row.user, row.room, row.key, row.label, row.path)
