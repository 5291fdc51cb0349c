# SPDX-License-Identifier: Apache-2.0
"""All tests, stage by stage, and at the end what each took: what ``make test`` runs.

The first stage that fails is the last. Processor seconds are those of what a stage started and
waited for, and beside them those of the whole machine: the lab's daemons are nobody's children.
"""

import dataclasses
import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

#: stage -> what of the Makefile it is
STAGES = {
    "lint, types, layers": "check",
    "unit": "test-unit",
    "functional": "test-functional-gateway",
    "functional/network": "test-functional-network",
    "e2e": "test-e2e-pods",
    "e2e_vxlan": "test-e2e-vxlan",
}
# How pytest ends: "= 3 failed, 120 passed, 1 warning in 9.31s =", without the frame when quiet.
_ENDED = re.compile(r"^[= ]*((?:\d+ \w+,? )+)in [\d.]+s")
_COUNTED = re.compile(r"(\d+) (passed|failed|error|xfailed|xpassed)")
_IDLE = ("idle", "iowait")
_FIELDS = ("user", "nice", "system", "idle", "iowait", "irq", "softirq")


@dataclasses.dataclass
class Took:
    """What a stage took, in seconds; ``own`` and ``machine`` are of processors."""

    stage: str
    tests: int
    seconds: float
    own: float
    machine: float
    status: int = 0

    @property
    def row(self) -> list[str]:
        name = f"{self.stage} FAILED" if self.status else self.stage
        numbers = (self.seconds, self.own, self.machine)
        return [name, str(self.tests or "-"), *(f"{number:.0f}" for number in numbers)]


def run(stage: str, target: str) -> Took:
    """One stage; its output is shown as it comes."""
    tests, began, own, machine = 0, time.monotonic(), _own(), _machine()
    command = ["make", "--no-print-directory", target]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, errors="replace") as made:
        assert made.stdout is not None
        for line in made.stdout:
            print(line, end="", flush=True)
            tests += counted(line)
    seconds = time.monotonic() - began
    return Took(stage, tests, seconds, _own() - own, _machine() - machine, made.returncode)


def counted(line: str) -> int:
    """How many tests a line says were run: the last of pytest's."""
    ended = _ENDED.match(line)
    return sum(int(number) for number, _ in _COUNTED.findall(ended[1])) if ended else 0


def table(stages: Iterable[Took]) -> str:
    rows = [took.row for took in stages]
    heads = ["stage", "tests", "seconds", "processor seconds", "of the machine"]
    widths = [max(len(row[column]) for row in [heads, *rows]) for column in range(len(heads))]
    lines = []
    for row in [heads, ["-" * width for width in widths], *rows]:
        name, *numbers = (
            text.ljust(width) if column == 0 else text.rjust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        lines.append("  ".join([name, *numbers]))
    return "\n".join(lines)


def _own() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _machine() -> float:
    first = Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    times = dict(zip(_FIELDS, map(int, first), strict=False))
    ticks: int = os.sysconf("SC_CLK_TCK")
    return sum(spent for field, spent in times.items() if field not in _IDLE) / ticks


def main() -> int:
    done: list[Took] = []
    for stage, target in STAGES.items():
        done.append(run(stage, target))
        if done[-1].status:
            break
    total = Took(
        "all",
        sum(took.tests for took in done),
        sum(took.seconds for took in done),
        sum(took.own for took in done),
        sum(took.machine for took in done),
        done[-1].status,
    )
    print(f"\n{table([*done, total])}")
    return 1 if total.status else 0


if __name__ == "__main__":
    sys.exit(main())
