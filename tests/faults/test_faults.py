"""Each fault of the catalogue once; `make faults` runs them many times."""

from __future__ import annotations

from pathlib import Path

import pytest
from faults.catalogue import FAULTS, Fault
from faults.trial import run


@pytest.mark.needs_gcc
@pytest.mark.timeout(300)
@pytest.mark.parametrize("fault", FAULTS.values(), ids=[name.replace(" ", "-") for name in FAULTS])
async def test_nothing_acknowledged_is_lost_and_nothing_comes_twice(fault: Fault, tmp_path: Path) -> None:
    trial = await run(fault, tmp_path, seed=1)
    assert trial.verdict.acked > 100
    assert trial.broken == {}
    assert trial.told or not fault.told
