# SPDX-License-Identifier: Apache-2.0
"""All tests, stage by stage, and at the end what each took: what ``make test`` runs.

A stage that fails stops no other: one run tells of all that fails. Only time does: a stage that
runs when ``TEST_MINUTES`` (80) of all are over is cut off, and those after it are not run.

Processor seconds are those of what a stage started and waited for, and beside them those of the
whole machine: the lab's daemons are nobody's children.
"""

import contextlib
import dataclasses
import os
import re
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path

#: stage -> what of the Makefile it is
STAGES = {
    "lint, types, layers": "check",
    "unit": "test-unit",
    "functional": "test-functional-gateway",
    "functional/network": "test-functional-network",
    "e2e": "test-e2e",
}
# How pytest ends: "= 3 failed, 120 passed, 1 warning in 9.31s =", without the frame when quiet.
_ENDED = re.compile(r"^[= ]*((?:\d+ \w+,? )+)in [\d.]+s")
_COUNTED = re.compile(r"(\d+) (passed|failed|error|xfailed|xpassed)")
# What pytest, and then make, say in one line of what failed.
_FAILED = re.compile(r"^((FAILED|ERROR) tests/|make(\[\d+\])?: \*\*\* )")
_IDLE = ("idle", "iowait")
_FIELDS = ("user", "nice", "system", "idle", "iowait", "irq", "softirq")
#: Seconds in which what is interrupted may say what it knows.
PATIENCE = 20.0
CUT_OFF = "CUT OFF"


@dataclasses.dataclass
class Took:
    """What a stage took, in seconds; ``own`` and ``machine`` are of processors.

    ``fate`` is how it ended, empty if well; ``failures`` are lines about what failed.
    """

    stage: str
    tests: int = 0
    seconds: float = 0
    own: float = 0
    machine: float = 0
    fate: str = ""
    failures: list[str] = dataclasses.field(default_factory=list)

    @property
    def row(self) -> list[str]:
        numbers = (self.seconds, self.own, self.machine)
        told = [str(self.tests or "-"), *(f"{number:.0f}" if number else "-" for number in numbers)]
        return [f"{self.stage} {self.fate}".strip(), *told]


def run(took: Took, target: str, until: float) -> None:
    """One stage, told as it goes on. What still runs at ``until``, a monotonic time, is stopped."""
    took.fate = CUT_OFF
    began, own, machine = time.monotonic(), _own(), _machine()
    command = ["make", "--no-print-directory", target]
    # In a session of its own all of it can be told to stop; the daemons of a lab are not in it.
    made = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    assert made.stdout is not None
    left = max(until - began, 0)
    timers = [
        threading.Timer(left, _signal, (made.pid, signal.SIGINT)),
        threading.Timer(left + PATIENCE, _signal, (made.pid, signal.SIGKILL)),
    ]
    for timer in timers:
        timer.start()
    try:
        for line in made.stdout:
            print(line, end="", flush=True)
            took.tests += counted(line)
            if _FAILED.match(line):
                took.failures.append(line.rstrip())
        status = made.wait()
        if time.monotonic() < until:
            took.fate = "FAILED" if status else ""
    finally:
        for timer in timers:
            timer.cancel()
        if took.fate == CUT_OFF:
            _end(made)
        took.seconds = time.monotonic() - began
        took.own, took.machine = _own() - own, _machine() - machine


def _end(made: "subprocess.Popen[str]") -> None:
    """End all of a stage, when its time or ours is over."""
    _signal(made.pid, signal.SIGINT)
    with contextlib.suppress(subprocess.TimeoutExpired):
        made.wait(PATIENCE)
    _signal(made.pid, signal.SIGKILL)
    made.wait()


def _signal(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)


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


def summary(done: Iterable[Took], not_run: Iterable[str]) -> str:
    """What failed, stage by stage, and the table."""
    done = list(done)
    total = Took(
        "all",
        sum(took.tests for took in done),
        sum(took.seconds for took in done),
        sum(took.own for took in done),
        sum(took.machine for took in done),
    )
    lines = [f"{took.stage}: {line}" for took in done for line in took.failures]
    rows = [*done, *(Took(stage, fate="NOT RUN") for stage in not_run), total]
    return "\n".join([*lines, "", table(rows)] if lines else [table(rows)])


def _told_to_end(*_: object) -> None:
    sys.exit(1)


def main() -> int:
    signal.signal(signal.SIGTERM, _told_to_end)
    until = time.monotonic() + 60 * float(os.environ.get("TEST_MINUTES") or 80)
    done: list[Took] = []
    try:
        for stage, target in STAGES.items():
            if time.monotonic() < until:
                done.append(Took(stage))
                run(done[-1], target, until)
    finally:
        # Also of what was interrupted.
        not_run = list(STAGES)[len(done) :]
        print(f"\n{summary(done, not_run)}", flush=True)
    return 1 if not_run or any(took.fate for took in done) else 0


if __name__ == "__main__":
    sys.exit(main())
