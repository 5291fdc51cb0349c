# SPDX-License-Identifier: Apache-2.0
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import cli, process, settings
from lab.settings import Lab, LabError


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    monkeypatch.setenv("LAB_HOME", str(tmp_path))
    made = settings.new("test")
    yield made
    process.stop_all(made, timeout=1)


def shell(script: str) -> list[str]:
    return ["sh", "-c", script]


def gone(pid: int) -> bool:
    process.wait_for(f"the end of {pid}", lambda: process.stat(pid) is None, 5)
    return True


def test_a_daemon_is_started_once(lab: Lab) -> None:
    first = process.start(lab, "one", ["sleep", "60"])
    assert process.alive(lab, "one") == first
    assert process.start(lab, "one", ["sleep", "60"]) == first


def test_a_dead_daemon_is_started_again(lab: Lab) -> None:
    first = process.start(lab, "one", ["sleep", "60"])
    os.kill(first, signal.SIGKILL)
    assert gone(first)
    assert process.alive(lab, "one") is None
    assert process.start(lab, "one", ["sleep", "60"]) != first


def test_output_goes_to_the_log(lab: Lab) -> None:
    process.start(lab, "one", shell("echo hello; echo trouble >&2; sleep 60"))
    process.wait_for("output", lambda: "trouble" in process.tail(lab, "one"), 5)
    assert process.tail(lab, "one") == "hello\ntrouble"


def test_a_pid_given_to_another_process_is_not_ours(lab: Lab) -> None:
    lab.run.mkdir(parents=True)
    us = process.stat(os.getpid())
    assert us
    (lab.run / "one.json").write_text(json.dumps({"pid": us.pid, "start": us.start - 1}))
    assert process.alive(lab, "one") is None
    assert process.members(lab, "one") == []
    process.stop(lab, ["one"])  # does not stop this very test
    assert process.names(lab) == []


def test_stopping_ends_children_too(lab: Lab) -> None:
    process.start(lab, "one", shell("sleep 60 & sleep 60"))
    process.wait_for("the child", lambda: len(process.members(lab, "one")) == 3, 5)
    pids = process.members(lab, "one")
    process.stop(lab, ["one"])
    assert all(process.stat(pid) is None for pid in pids)
    assert process.names(lab) == []


def test_children_that_outlive_their_parent_are_found(lab: Lab) -> None:
    leader = process.start(lab, "one", shell("sleep 60 & sleep 60"))
    process.wait_for("the child", lambda: len(process.members(lab, "one")) == 3, 5)
    os.kill(leader, signal.SIGKILL)
    assert gone(leader)
    left = process.members(lab, "one")
    assert len(left) == 2
    process.stop(lab, ["one"])
    assert all(process.stat(pid) is None for pid in left)


def test_who_does_not_listen_is_killed(lab: Lab) -> None:
    pid = process.start(lab, "one", shell("trap '' TERM; echo ready; while :; do sleep 1; done"))
    process.wait_for("the trap", lambda: "ready" in process.tail(lab, "one"), 5)
    process.stop(lab, ["one"], timeout=0.3)
    assert process.stat(pid) is None


def test_a_frozen_daemon_can_be_stopped(lab: Lab) -> None:
    pid = process.start(lab, "one", ["sleep", "60"])
    assert process.send(lab, "one", signal.SIGSTOP) == 1
    started = time.monotonic()
    process.stop(lab, ["one"], timeout=5)
    assert process.stat(pid) is None
    assert time.monotonic() - started < 4


def test_stop_all_finds_what_has_no_record(lab: Lab) -> None:
    pid = process.start(lab, "one", ["sleep", "60"])
    process.forget(lab, "one")
    # The kernel shows what a process has in its environment a moment after it has begun.
    process.wait_for("it", lambda: process.marked(process.MARKER, str(lab.home)) == [pid], 5)
    process.stop_all(lab)
    assert process.stat(pid) is None


def test_another_labs_processes_are_left_alone(lab: Lab) -> None:
    other = settings.new("other")
    pid = process.start(other, "one", ["sleep", "60"])
    try:
        process.stop_all(lab)
        assert process.alive(other, "one") == pid
    finally:
        process.stop_all(other)


def test_the_callers_credentials_do_not_reach_the_services(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OS_PASSWORD", "secret")
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    env = process.environment(lab, {"MINE": "1"})
    assert "OS_PASSWORD" not in env
    assert "PYTHONPATH" not in env
    assert env["MINE"] == "1"


def test_a_failed_command_tells_its_words() -> None:
    with pytest.raises(LabError, match="no such luck"):
        process.run(shell("echo no such luck >&2; exit 3"))


def test_a_missing_program_is_named() -> None:
    with pytest.raises(LabError, match="no-such-program is not installed"):
        process.run(["no-such-program"])


def test_waiting_ends_when_the_daemon_dies(lab: Lab) -> None:
    process.start(lab, "one", shell("sleep 0.3; echo I am out; exit 1"))
    started = time.monotonic()
    with pytest.raises(LabError, match="one has died") as caught:
        process.wait_for("an answer", lambda: False, 30, lab, "one")
    assert "I am out" in str(caught.value)
    assert time.monotonic() - started < 10


def test_a_probe_that_raises_is_only_not_yet() -> None:
    attempts: list[int] = []

    def probe() -> bool:
        attempts.append(1)
        if len(attempts) < 3:
            raise ConnectionError("refused")
        return True

    process.wait_for("it", probe, 5)
    assert len(attempts) == 3


def test_a_socket_without_a_listener_does_not_accept(tmp_path: Path) -> None:
    import socket

    path = tmp_path / "socket"
    assert not process.accepts(path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        assert process.accepts(path)
    assert path.exists()
    assert not process.accepts(path)


def test_a_foreground_command_does_not_outlive_its_block() -> None:
    child = subprocess.Popen(
        shell("sleep 60 & sleep 60"), start_new_session=True, stdout=subprocess.PIPE, text=True
    )

    def session() -> list[int]:
        return [found.pid for found in process.processes() if found.session == child.pid]

    process.wait_for("the child", lambda: len(session()) == 3, 5)
    with pytest.raises(KeyboardInterrupt), child, process.ended_with(child):
        raise KeyboardInterrupt
    assert session() == []


def test_status_tells_of_dead_daemons(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LAB_HOME", str(tmp_path))
    lab = settings.new("lab")
    lab.save()
    process.start(lab, "one", ["sleep", "60"])
    try:
        assert cli.main(["status"]) == 0
        process.send(lab, "one", 9)
        process.wait_for("its end", lambda: process.alive(lab, "one") is None, 5)
        assert cli.main(["status"]) == 1
    finally:
        process.stop_all(lab)
    assert "DEAD" in capsys.readouterr().out
