# SPDX-License-Identifier: Apache-2.0
"""A document whose commands are run as they stand: blocks of ``sh``, each perhaps followed by a
block of ``text`` with what it ends by printing."""

import dataclasses
import os
import re
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

_FENCED = re.compile(r"^```(sh|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclasses.dataclass
class Step:
    commands: str
    #: The last lines it is to print.
    prints: list[str] = dataclasses.field(default_factory=list)


def steps(page: Path) -> list[Step]:
    """All steps of a page, in its order."""
    found: list[Step] = []
    for kind, text in _FENCED.findall(page.read_text()):
        if kind == "sh":
            found.append(Step(text))
        else:
            found[-1].prints = text.splitlines()
    return found


def with_values(step: Step, values: Mapping[str, object]) -> Step:
    """A step that sets variables, with other values. Each is to be one that it sets."""
    commands = step.commands
    for name, value in values.items():
        commands, count = re.subn(rf"^{name}=\S+", f"{name}={value}", commands, flags=re.M)
        assert count == 1, name
    return Step(commands, step.prints)


class Run:
    """All steps in one shell, which keeps what they set; what it starts ends with it."""

    def __init__(self, folder: Path, todo: list[Step], environment: Mapping[str, str]) -> None:
        self.folder, self.todo = folder, todo
        script = "set -eu\n" + "".join(
            f"{{\n{step.commands}}} > {folder}/{number}.out 2> {folder}/{number}.err\n"
            for number, step in enumerate(todo)
        )
        self._shell = subprocess.Popen(
            ["bash", "-c", script], env=environment, cwd=folder, start_new_session=True,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def wait(self, seconds: float) -> None:
        """Until all steps are done. Raises AssertionError where one failed."""
        status = self._shell.wait(seconds)
        last = max(int(path.stem) for path in self.folder.glob("*.out"))
        failed = f"{self.todo[last].commands}\n{self._of(last, 'out')}\n{self._of(last, 'err')}"
        assert status == 0, failed

    def printed(self, number: int) -> list[str]:
        return self._of(number, "out").splitlines()

    def end(self) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self._shell.pid, number)
            except ProcessLookupError:
                return
            for _ in range(100):
                if not _living(self._shell.pid):
                    return
                time.sleep(0.1)

    def _of(self, number: int, kind: str) -> str:
        return (self.folder / f"{number}.{kind}").read_text()


def _living(group: int) -> bool:
    """Whether a process of a group is there that is no zombie."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, its = stat.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(its) == group and state != "Z":
            return True
    return False
