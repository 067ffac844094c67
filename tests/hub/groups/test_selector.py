"""Which events belong to a group, and by what they are put in order."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from support.groups import record

from jupyter_rtmsg.hub.groups import selector
from jupyter_rtmsg.hub.groups.selector import Selector
from jupyter_rtmsg.log import GroupSettings


def test_an_event_is_parsed_once_for_all_groups_of_its_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred groups with keys took half a second of the loop for an event of 700 KB."""
    parsed: list[bytes] = []

    def parse(data: bytes) -> Any:
        parsed.append(data)
        return msgspec.json.decode(data)

    monkeypatch.setattr(selector, "parse", parse)
    selectors = [Selector(GroupSettings(key=key)) for key in ("key", "key.deeper", "other")] * 30
    for seq in (1, 2):
        event = record(seq, seq, f"only in this test {seq}")
        keys = {each.key_of(event) for each in selectors}
        assert keys == {b'"only in this test %d"' % seq, None}
    assert len(parsed) == 2
