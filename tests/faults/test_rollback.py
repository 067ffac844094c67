"""A log that lost its end, or whose file was replaced by an older copy, reports it; no reader skips later events."""

from __future__ import annotations

from pathlib import Path

import pytest
from faults.rollback import DAMAGES, PARTS, WITHOUT_MARK, beside, copy, publish, trial
from support.hub import TOKEN, HubServer
from support.wsclient import until

import jupyter_rtmsg as rt
from jupyter_rtmsg.log import open_log


@pytest.mark.timeout(120)
@pytest.mark.parametrize("damage", DAMAGES, ids=[name.replace(" ", "-") for name in DAMAGES])
@pytest.mark.parametrize("seed", [1, 2])
async def test_a_lost_end_is_told_to_readers_and_warned_of(damage: str, seed: int, tmp_path: Path) -> None:
    verdict = await trial(tmp_path / "log.sqlite3", damage, seed)
    if verdict.lost:
        assert verdict.told
        assert verdict.warned or damage in WITHOUT_MARK
    else:
        assert verdict.kept


async def test_a_kill_alone_loses_nothing_and_warns_of_nothing(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite3"
    told = publish(path, 50)
    log = await open_log(f"sqlite:///{path}", ballast=0)
    assert log.warning is None
    assert log.locate(told.last, told.epoch, told.opening) == told.last
    await log.close()


@pytest.mark.parametrize("mark", [b"", b"\0" * 84, b"RTMSMARK" + b"x" * 1_000, None])
async def test_an_unreadable_mark_causes_no_warning(tmp_path: Path, mark: bytes | None) -> None:
    path = tmp_path / "log.sqlite3"
    told = publish(path, 50)
    beside(path, ".mark").unlink()
    if mark is not None:
        beside(path, ".mark").write_bytes(mark)
    log = await open_log(f"sqlite:///{path}", ballast=0)
    assert log.warning is None
    assert log.locate(told.last, told.epoch, told.opening) == told.last
    await log.close()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("parts", [("", "-wal", "-shm"), PARTS], ids=["mark-stays", "mark-too"])
async def test_a_live_reader_gets_the_events_after_the_restore_of_an_older_copy(
    tmp_path: Path, parts: tuple[str, ...]
) -> None:
    path = tmp_path / "log.sqlite3"
    got: list[int] = []
    resets: list[str] = []
    hub = HubServer(f"sqlite:///{path}", log_options={"ballast": 0})
    with hub:
        async with (
            rt.AsyncClient(hub.url, token=TOKEN) as writer,
            rt.AsyncClient(hub.url, token=TOKEN) as reader,
        ):
            writing, reading = await writer.join("lab"), await reader.join("lab")
            reading.on("tick", lambda event: got.append(event.data))
            reading.on("$reset", lambda event: resets.append(event.data["reason"]))
            for number in range(10):
                await writing.emit("tick", number)
            hub.freeze()
            copy(path, beside(path, ".copy"), *PARTS)
            hub.thaw()
            for number in range(10, 30):
                await writing.emit("tick", number)
            await until(lambda: got[-1:] == [29])
            await writer.close()
            hub.kill()
            copy(beside(path, ".copy"), path, *parts)
            hub.start()
            async with rt.AsyncClient(hub.url, token=TOKEN) as another:
                writing = await another.join("lab")
                for number in range(100, 140):
                    await writing.emit("tick", number)
            await until(lambda: got[-1:] == [139])
    assert got == [*range(30), *range(100, 140)]
    assert resets == ["rollback"]
