# SPDX-License-Identifier: Apache-2.0
"""Daemons without systemd: start, find again, stop.

Each daemon leads a session of its own and leaves a record ``<run>/<name>.json`` with its pid and
start time (a pid alone may have been given to somebody else since). Every process also carries the
lab's home in its environment, so what a crash left without a record is found too.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from lab.settings import Lab, LabError

MARKER = "TRICIRCLE_LAB_HOME"
_children: list[subprocess.Popen[bytes]] = []


@dataclasses.dataclass(frozen=True)
class Stat:
    """What /proc/<pid>/stat tells."""

    pid: int
    state: str
    session: int
    start: int  # clock ticks since boot


def stat(pid: int) -> Stat | None:
    """None when there is no such process, or it is a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    if fields[0] in "ZX":
        return None
    return Stat(pid, fields[0], int(fields[3]), int(fields[19]))


def processes() -> Iterable[Stat]:
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (found := stat(int(entry))):
            yield found


@dataclasses.dataclass(frozen=True)
class Daemon:
    """What it takes to start one."""

    name: str
    argv: Sequence[object]
    env: Mapping[str, str] = dataclasses.field(default_factory=dict)


# -- records -----------------------------------------------------------------------------------


def _record_path(lab: Lab, name: str) -> Path:
    return lab.run / f"{name}.json"


def record(lab: Lab, name: str, pid: int) -> None:
    """Remember a running process, also one that went to the background by itself."""
    found = stat(pid)
    if found is None:
        raise LabError(f"{name} ended at once; see {lab.log / name}.log")
    lab.run.mkdir(parents=True, exist_ok=True)
    partial = lab.run / f"{name}.json.new"
    partial.write_text(json.dumps({"pid": pid, "start": found.start}))
    partial.replace(_record_path(lab, name))


def _recorded(lab: Lab, name: str) -> dict[str, int] | None:
    try:
        data: dict[str, int] = json.loads(_record_path(lab, name).read_text())
    except (FileNotFoundError, ValueError):
        return None
    return data


def names(lab: Lab) -> list[str]:
    """All recorded daemons, alive or not."""
    return sorted(path.stem for path in lab.run.glob("*.json"))


def alive(lab: Lab, name: str) -> int | None:
    """The daemon's pid, or None when it is not running."""
    data = _recorded(lab, name)
    found = stat(data["pid"]) if data else None
    return found.pid if data and found and found.start == data["start"] else None


def forget(lab: Lab, name: str) -> None:
    _record_path(lab, name).unlink(missing_ok=True)


# -- starting ----------------------------------------------------------------------------------


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The caller's environment without its OpenStack and Python settings."""
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("OS_", "PYTHON", "VIRTUAL_ENV", "UV_"))
    }
    return kept | dict(extra or {})


def environment(lab: Lab, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of the lab's own processes, marked as this lab's."""
    return clean_environment({MARKER: str(lab.home), "MALLOC_ARENA_MAX": "2"} | dict(extra or {}))


def start(
    lab: Lab,
    name: str,
    argv: Sequence[object],
    *,
    env: Mapping[str, str] | None = None,
    netns: str | None = None,
) -> int:
    """Start a daemon unless it already runs, its output going to ``<log>/<name>.log``.

    Returns the pid. With ``netns``, it runs inside that network namespace.
    """
    if pid := alive(lab, name):
        return pid
    stop(lab, [name])  # children that a dead one left hold its ports and files
    lab.log.mkdir(parents=True, exist_ok=True)
    command = [str(part) for part in argv]
    if netns:
        command = ["ip", "netns", "exec", netns, *command]
    with open(lab.log / f"{name}.log", "ab") as output:
        child = subprocess.Popen(
            command,
            env=environment(lab, env),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            cwd="/",
        )
    _children.append(child)
    record(lab, name, child.pid)
    return child.pid


def run(
    argv: Sequence[object],
    *,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    timeout: float = 600,
) -> str:
    """Run a command to its end; returns its standard output.

    Raises LabError with the end of what it said when it fails.
    """
    command = [str(part) for part in argv]
    try:
        done = subprocess.run(
            command, env=env, input=stdin, capture_output=True, text=True, timeout=timeout
        )
    except FileNotFoundError:
        raise LabError(f"the program {command[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise LabError(f"no end after {timeout:.0f} s: {' '.join(command)[:500]}") from None
    if done.returncode:
        said = (done.stdout + done.stderr).strip()[-3000:]
        raise LabError(f"failed ({done.returncode}): {' '.join(command)[:500]}\n{said}")
    return done.stdout


def tail(lab: Lab, name: str, lines: int = 15) -> str:
    with contextlib.suppress(OSError):
        return "\n".join(
            (lab.log / f"{name}.log").read_text(errors="replace").splitlines()[-lines:]
        )
    return ""


def wait_for(
    what: str,
    probe: Callable[[], object],
    timeout: float = 60,
    lab: Lab | None = None,
    name: str = "",
) -> None:
    """Poll until ``probe`` is true. An exception of the probe counts as "not yet".

    With ``lab`` and ``name``, gives up as soon as that daemon is dead. Raises LabError, with the
    daemon's last words.
    """
    deadline = time.monotonic() + timeout
    error: object = ""
    while True:
        try:
            if probe():
                return
        except Exception as caught:
            error = caught
        dead = lab is not None and name and alive(lab, name) is None
        if dead or time.monotonic() > deadline:
            reason = f"{name} has died" if dead else f"not within {timeout:.0f} s"
            words = tail(lab, name) if lab and name else ""
            raise LabError(f"waiting for {what}: {reason} {error}\n{words}".rstrip())
        time.sleep(0.2)


def accepts(path: Path) -> bool:
    """Whether somebody listens on that Unix socket (after a crash the file alone stays)."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


@contextlib.contextmanager
def ended_with(child: subprocess.Popen[str]) -> Iterator[None]:
    """A child that leads a session does not outlive the block, nor does what it started."""
    try:
        yield
    finally:
        if child.poll() is None:
            end([found.pid for found in processes() if found.session == child.pid], 3)


# -- stopping ----------------------------------------------------------------------------------


def members(lab: Lab, name: str) -> list[int]:
    """The daemon and everything in its session, which may have outlived it."""
    data = _recorded(lab, name)
    if data is None:
        return []
    leader = stat(data["pid"])
    if leader and leader.start != data["start"]:
        return []  # the number is somebody else's by now
    return [found.pid for found in processes() if found.session == data["pid"]]


def send(lab: Lab, name: str, number: int) -> int:
    """Signal the daemon and its children; returns how many there were."""
    pids = members(lab, name)
    _signal(pids, number)
    return len(pids)


def stop(lab: Lab, wanted: Iterable[str], timeout: float = 10) -> None:
    """Stop daemons together: politely, then by force. Unknown and dead ones are forgotten."""
    wanted = list(wanted)
    end([pid for name in wanted for pid in members(lab, name)], timeout)
    for name in wanted:
        forget(lab, name)


def stop_all(lab: Lab, timeout: float = 10) -> None:
    """Stop every recorded daemon and every process carrying this lab's mark."""
    known = names(lab)
    recorded = [pid for name in known for pid in members(lab, name)]
    end([*dict.fromkeys([*recorded, *marked(MARKER, str(lab.home))])], timeout)
    for name in known:
        forget(lab, name)


def marked(variable: str, value: str) -> list[int]:
    """Processes that have this in their environment, as what was started for a lab has."""
    mark = f"{variable}={value}".encode()
    found = []
    for process in processes():
        with contextlib.suppress(OSError):
            if mark in Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0"):
                found.append(process.pid)
    return [pid for pid in found if pid != os.getpid()]


def _signal(pids: Iterable[int], number: int) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def end(pids: list[int], timeout: float = 10) -> None:
    """End processes together: politely, then by force."""
    _signal(pids, signal.SIGTERM)
    # A frozen process hears SIGTERM only once it runs again.
    _signal(pids, signal.SIGCONT)
    deadline = time.monotonic() + timeout
    while left := [pid for pid in pids if stat(pid)]:
        for child in _children:
            child.poll()  # takes the exit of our own children, or they stay as zombies
        if time.monotonic() > deadline:
            _signal(left, signal.SIGKILL)
            deadline = time.monotonic() + timeout
        time.sleep(0.05)
