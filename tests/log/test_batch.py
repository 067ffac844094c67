from __future__ import annotations

from support.logs import draft

from jupyter_rtmsg.log import Appended, Draft, RoomStats
from jupyter_rtmsg.log.batch import Batch
from jupyter_rtmsg.log.dedup import dedup_key
from jupyter_rtmsg.log.state import LogState, RoomState
from jupyter_rtmsg.log.work import Submission


def fill(batch: Batch, *drafts: Draft) -> list[Appended | Exception]:
    for each in drafts:
        batch.add(Submission(each, lambda outcome: None, len(each.data)), dedup_key(each))
    return [result.value for result in batch.completions]


def test_a_batch_that_is_not_accepted_leaves_no_trace() -> None:
    state = LogState()
    fill(Batch(state, {}, 5), draft(), draft(room="other"))
    assert state == LogState()


def test_a_batch_builds_on_the_accepted_ones() -> None:
    state = LogState()
    for now in (7, 3):
        batch = Batch(state, {}, now)
        fill(batch, draft(1), draft(22))
        state.accept(batch)
    assert [(record.seq, record.prev, record.ts) for record in batch.records] == [(3, 2, 7), (4, 3, 7)]
    assert (state.head, state.ts, state.count, state.bytes) == (4, 7, 4, 6)
    assert state.rooms["lab"].stats() == RoomStats(1, 4, 4, 6, n=4)


def test_known_ids_are_duplicates() -> None:
    again = draft(client="c", id="x")
    key = dedup_key(again)
    assert key is not None
    batch = Batch(LogState(head=50), {key: 17}, 0)
    assert fill(batch, again, draft()) == [Appended(17, True), Appended(51, False)]
    assert len(batch.events) == 1


def test_dedup_keys_cannot_be_mixed_up_by_moving_characters_between_fields() -> None:
    fields = [
        ("ab", "c", "d"),
        ("a", "bc", "d"),
        ("a", "b", "cd"),
        ("abc", "", "d"),
        ("", "abcd", ""),
        ("a,b", "c", "d"),
    ]
    keys = {dedup_key(draft(user=user, client=client, id=id)) for user, client, id in fields}
    assert len(keys) == len(fields)


def test_a_long_id_makes_no_longer_key_than_its_digest() -> None:
    ids = ["x" * 31, "x" * 32, "x" * 33, "x" * 200, "\N{OLD ITALIC LETTER A}" * 50, "\ud800"]
    keys = {dedup_key(draft(client="c", id=id)) for id in ids}
    assert len(keys) == len(ids)
    assert max(len(key or b"") for key in keys) == 48


def test_numbers_are_dense_in_each_room_and_go_on_after_a_batch_that_was_accepted() -> None:
    state = LogState(rooms={"old": RoomState(1, head=40, n=30)}, head=50, next_room=2)
    for _ in range(2):
        batch = Batch(state, {}, 0)
        fill(batch, draft(), draft(room="old"), draft())
        state.accept(batch)
    assert [(each.room, each.n) for each in batch.records] == [("lab", 3), ("old", 32), ("lab", 4)]
    assert [row[12] for row in batch.events] == [3, 32, 4]
