"""One trial of one fault."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from faults.account import Verdict
from faults.catalogue import Fault
from faults.world import World


@dataclass(frozen=True)
class Trial:
    """The result of a trial.

    Attributes
    ----------
    fault : Fault
    verdict : Verdict
    recovery : float or None
        Seconds from the end of the fault to the next acknowledgement.
    told : list of str
        What readers were told.
    """

    fault: Fault
    verdict: Verdict
    recovery: float | None
    told: list[str]

    @property
    def broken(self) -> dict[str, int]:
        """The broken promises, with their number."""
        return {name: count for name, count in self.verdict.broken.items() if name not in self.fault.allows}


async def run(fault: Fault, folder: Path, seed: int) -> Trial:
    """Publish, cause the fault, continue to publish, and compare."""
    async with World(folder, seed, **fault.world) as world:
        await world.flow(100)
        await fault.inject(world)
        world.link.heal()
        world.heal()
        await world.flow(100)
        verdict = await world.verdict()
        told = [each for reader in world.account.readers for each in reader.told]
        return Trial(fault, verdict, world.recovery, told)
