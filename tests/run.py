"""Run the tests: those that may share the machine on some workers, then, alone, those that measure (marker ``serial``).

Arguments are pytest's. Each part prints pytest's own closing line; the exit status is the first that is not 0.
"""

from __future__ import annotations

import os
import subprocess
import sys

SLOWEST = ["--durations=20", "--durations-min=5"]
# One more than processors: tests also wait, for timeouts and for other processes.
WORKERS = min((os.cpu_count() or 2) + 1, 6)
SHARED = ["--part=shared", "-n", str(WORKERS), "--dist", "loadgroup", "--no-loadscope-reorder", *SLOWEST]
ALONE = ["--part=alone", "-n", "0", *SLOWEST]
INTERRUPTED, WRONG_USE, NO_TESTS = 2, 4, 5


def main(arguments: list[str]) -> int:
    """Run both parts, unless the first is interrupted or can't start; one part may have no tests, but not both."""
    # All workers must collect the same tests in one order, also those whose parameters come out of a set.
    environment = {"PYTHONHASHSEED": "0", **os.environ}
    # Kept bytecode serves both parts, and the processes that tests start: pytest rewrites its plugins, which takes 2 s.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    statuses = []
    for part in ([*SHARED, *arguments], [*arguments, *ALONE]):
        statuses.append(subprocess.run([sys.executable, "-m", "pytest", *part], env=environment).returncode)
        if statuses[-1] in (INTERRUPTED, WRONG_USE):
            break
    return next((status for status in statuses if status not in (0, NO_TESTS)), min(statuses))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
