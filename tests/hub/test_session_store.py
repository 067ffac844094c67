from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jupyter_rtmsg.hub.session_store import SessionNote, SessionQuota


def test_the_oldest_of_a_user_makes_place() -> None:
    quota = SessionQuota(100, 1_000)
    assert quota.keep("a", SessionNote("ann", 60, 99), 0) == []
    assert quota.keep("b", SessionNote("ann", 40, 99), 0) == []
    assert quota.keep("c", SessionNote("ann", 30, 99), 0) == ["a"]
    assert quota.bytes("ann") == 70


def test_ended_subscriptions_are_evicted_first() -> None:
    quota = SessionQuota(100, 1_000)
    quota.keep("a", SessionNote("ann", 40, 99), 0)
    quota.keep("b", SessionNote("ann", 40, 5), 0)
    assert quota.keep("c", SessionNote("ann", 40, 99), 6) == ["b"]


def test_one_user_takes_nothing_from_another_until_there_is_too_much_in_all() -> None:
    quota = SessionQuota(100, 150)
    quota.keep("a", SessionNote("ann", 40, 99), 0)
    assert quota.keep("e1", SessionNote("eve", 60, 99), 0) == []
    assert quota.keep("e2", SessionNote("eve", 40, 99), 0) == []
    assert quota.keep("b", SessionNote("bob", 30, 99), 0) == ["e1"]  # of the user with most bytes
    assert quota.bytes("ann") == 40


def test_a_session_too_large_for_a_users_quota_is_not_saved() -> None:
    quota = SessionQuota(100, 150)
    quota.keep("a", SessionNote("ann", 40, 99), 0)
    assert quota.keep("a", SessionNote("ann", 101, 99), 0) is None
    assert quota.bytes() == 0


STEPS = st.lists(
    st.tuples(st.sampled_from("abcdef"), st.sampled_from(["ann", "bob"]), st.integers(0, 60), st.booleans())
)


@given(STEPS)
def test_the_dedup_counts_its_ids(steps: list[tuple[str, str, int, bool]]) -> None:
    quota, kept = SessionQuota(100, 150), dict[str, tuple[str, int]]()
    for key, user, size, keep in steps:
        kept.pop(key, None)
        if not keep:
            quota.discard(key)
            continue
        for gone in quota.keep(key, SessionNote(user, size, 1), 0) or ():
            del kept[gone]
        kept[key] = (user, size)
        assert quota.bytes() == sum(size for _, size in kept.values()) <= 150
        for each in ("ann", "bob"):
            assert quota.bytes(each) == sum(size for user, size in kept.values() if user == each) <= 100
