# SPDX-License-Identifier: Apache-2.0
"""The command `lab`."""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from subprocess import SubprocessError

from keystoneauth1.exceptions import ClientException
from openstack.exceptions import SDKException

from lab import (
    bringup,
    client,
    dataplane,
    horizon,
    packages,
    parity,
    pod,
    process,
    settings,
    tempest,
    tricircle,
)
from lab.settings import REGION, Lab, LabError

up = bringup.up
down = bringup.down
ping = dataplane.ping
pod_kill = pod.kill
pod_start = pod.start_and_wait
pod_freeze = pod.freeze
pod_thaw = pod.thaw


def ensure_up(
    name: str = settings.DEFAULT_NAME,
    *,
    profile: str | None = None,
    pods: int = 2,
    releases: dict[str, str] | None = None,
    external: str = "pod1",
    keystones: dict[str, str] | None = None,
    with_tricircle: bool = False,
    with_horizon: bool = False,
) -> Lab:
    """The lab of that name, brought up or mended; one that stands keeps its shape.

    Raises LabError when it stands with another network than the ``profile`` asked for.
    """
    try:
        lab = settings.load(name)
    except LabError:
        lab = settings.new(
            name,
            profile=profile or "ovn",
            pods=pods,
            releases=releases,
            external=external,
            keystones=keystones,
        )
    if profile and lab.profile != profile:
        raise LabError(
            f"lab {name!r} stands with network {lab.profile!r}, wanted is {profile!r}: "
            "`lab down` first"
        )
    _all_up(lab, with_tricircle, with_horizon)
    return lab


def _all_up(lab: Lab, with_tricircle: bool, with_horizon: bool) -> None:
    with_tricircle = with_tricircle or with_horizon
    up(lab, beside=tricircle.begin if with_tricircle else None)
    if with_tricircle:
        tricircle.up(lab, bringup.Progress())
    if with_horizon:
        horizon.up(lab, bringup.Progress())


def main(argv: list[str] | None = None) -> int:
    options = _parser().parse_args(argv)
    signal.signal(signal.SIGTERM, _terminated)
    command: Callable[[argparse.Namespace], int | None] = options.command
    try:
        return command(options) or 0
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("lab: interrupted; `lab up` goes on, `lab down` cleans up", file=sys.stderr)
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 128 + signal.SIGPIPE
    except (ClientException, SDKException, SubprocessError, OSError) as error:
        print(f"lab: {type(error).__name__}: {error}; see `lab logs`", file=sys.stderr)
        return 1


def _terminated(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lab", description="Real OpenStack clouds on this machine."
    )
    parser.add_argument(
        "--name",
        default=os.environ.get("LAB_NAME", settings.DEFAULT_NAME),
        help="which lab (default: LAB_NAME, or %(default)s); several may stand side by side",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(
        name: str, command: Callable[[argparse.Namespace], object], text: str
    ) -> argparse.ArgumentParser:
        one = commands.add_parser(name, help=text, description=text)
        one.set_defaults(command=command)
        return one

    one = add("up", _up, "bring the lab up, or what is missing of one that stands")
    one.add_argument("--pods", type=int, help="how many (2)")
    one.add_argument("--hosts", type=int, help="compute hosts in each pod (2)")
    one.add_argument("--profile", choices=settings.PROFILES, help="network (ovn)")
    one.add_argument(
        "--daemons", action="store_true", default=None, help="separate daemons over RabbitMQ"
    )
    one.add_argument(
        "--release",
        action="append",
        default=[],
        metavar="POD=SERIES",
        help=f"an OpenStack series for one pod, of: {', '.join(packages.series())}",
    )
    one.add_argument(
        "--keystone",
        action="append",
        default=[],
        metavar="POD=KIND",
        help="a Keystone and a Glance of its own for one pod, and how Tricircle enters it, of: "
        + ", ".join(settings.KEYSTONES),
    )
    one.add_argument("--external", help="pods with the external network, joined by commas (pod1)")
    one.add_argument("--base-port", type=int, help="first of a thousand TCP ports of the lab's own")
    one.add_argument("--tricircle", action="store_true", help="and Tricircle over the pods")
    one.add_argument("--horizon", action="store_true", help="and Tricircle, and Horizon over it")
    add("down", _down, "stop the lab and remove its state, except logs")
    add("status", _status, "what runs, and how much memory it takes")
    add("env", _env, "shell exports for the openstack client: eval $(lab env)").add_argument(
        "user",
        nargs="?",
        default="admin",
        choices=("admin", "demo", "demo2", "demo3", "demo4", "reader"),
    )
    add("check", lambda options: _crashes(_lab(options)), "fail if a switch or OVN daemon crashed")
    one = add("logs", _logs, "show logs")
    one.add_argument("daemon", nargs="?", help="which; without it they are listed")
    one.add_argument("-f", "--follow", action="store_true")
    one.add_argument("-n", "--lines", type=int, default=50)
    one = add("tempest", _tempest, "run OpenStack's official tests against a region")
    one.add_argument("regex", help="which tests, e.g. tempest.api.network")
    one.add_argument("--region", default=REGION)
    one.add_argument("--exclude", default="", metavar="REGEX")
    one.add_argument("--concurrency", type=int, default=2)
    one = add("parity", _parity, "compare the region that users see with a pod by official tests")
    one.add_argument("suite", choices=sorted(parity.SUITES))
    one.add_argument("--concurrency", type=int, default=2)
    one.add_argument("--keep", choices=("pod", "both"), default="", help="results of the last run")
    one = add("pod", _pod, "faults of a pod's control plane: kill -9, start, freeze, thaw")
    one.add_argument("action", choices=("kill", "start", "freeze", "thaw"))
    one.add_argument("pod")
    one = add("ping", _ping, "ping an address from inside a server")
    one.add_argument("server", help="its id")
    one.add_argument("address")
    one.add_argument("--count", type=int, default=3)
    one = add("exec", _exec, "run a command in a server's network")
    one.add_argument("server", help="its id")
    one.add_argument("words", nargs=argparse.REMAINDER, metavar="CMD")
    return parser


def _lab(options: argparse.Namespace) -> Lab:
    return settings.load(options.name)


def _up(options: argparse.Namespace) -> None:
    try:
        releases = dict(wish.split("=", 1) for wish in options.release)
        keystones = dict(wish.split("=", 1) for wish in options.keystone)
    except ValueError:
        raise LabError("--release is POD=SERIES, --keystone POD=KIND") from None
    for release in releases.values():
        packages.venv(release)  # says so when there is no such series
    wishes = {
        "pods": options.pods,
        "hosts": options.hosts,
        "profile": options.profile,
        "daemons": options.daemons,
        "releases": releases or None,
        "keystones": keystones or None,
        "external": options.external,
        "base_port": options.base_port,
    }
    given = {name: wish for name, wish in wishes.items() if wish is not None}
    try:
        standing = settings.load(options.name)
    except LabError:
        lab = settings.new(options.name, **given)
    else:
        lab = settings.new(options.name, **(settings.shape(standing) | given))
        if lab != standing:
            raise LabError(f"lab {lab.name!r} stands in another shape: `lab down` first")
    _all_up(lab, options.tricircle, options.horizon)


def _down(options: argparse.Namespace) -> int:
    crashed = False
    try:
        lab = _lab(options)
        crashed = _crashes(lab)
    except LabError:
        lab = settings.new(options.name)  # whatever a crash left
    down(lab)
    return 1 if crashed else 0


def _status(options: argparse.Namespace) -> int:
    lab = _lab(options)
    print(f"lab {lab.name}, network {lab.profile}, state in {lab.home}")
    for one in lab.pods:
        where = " ".join(f"{name}={one.url(name)}" for name in settings.POD_PORTS)
        print(f"{one.region} ({one.release}, zone {one.az}): {where}")
    dead = total = 0
    for name in process.names(lab):
        pids = process.members(lab, name)
        memory = sum(_memory(pid) for pid in pids)
        total += memory
        dead += not pids
        state = f"pid {pids[0]:<8} {memory >> 10:5d} MB" if pids else "DEAD"
        print(f"  {name:32} {state}")
    print(f"  {'all together':32} {'':12} {total >> 10:5d} MB")
    return 1 if dead or _crashes(lab) else 0


def _crashes(lab: Lab) -> bool:
    """Whether a switch or OVN daemon crashed, also one that was restarted; says so."""
    found = dataplane.check(lab)
    for line in found:
        print(f"CRASH {line}", file=sys.stderr)
    return bool(found)


def _memory(pid: int) -> int:
    """KiB of memory, shared pages counted in proportion."""
    try:
        with open(f"/proc/{pid}/smaps_rollup") as lines:
            return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    except (OSError, StopIteration):
        return 0


def _env(options: argparse.Namespace) -> None:
    lab = _lab(options)
    for name, value in client.environment(lab, options.user).items():
        print(f"export {name}={shlex.quote(value)}")


def _logs(options: argparse.Namespace) -> int:
    lab = _lab(options)
    if not options.daemon:
        for path in sorted(lab.log.rglob("*.log")):
            print(path)
        return 0
    path = lab.log / f"{options.daemon}.log"
    if not path.exists():
        raise LabError(f"no log of {options.daemon!r}; `lab logs` lists them")
    follow = ["-F"] if options.follow else []
    return subprocess.call(["tail", "-n", str(options.lines), *follow, str(path)])


def _tempest(options: argparse.Namespace) -> int:
    lab = _lab(options)
    failed = tempest.run(
        lab,
        options.region,
        options.regex,
        exclude=options.exclude,
        concurrency=options.concurrency,
    )
    return 1 if _crashes(lab) else failed


def _parity(options: argparse.Namespace) -> int:
    return parity.run(_lab(options), options.suite, options.concurrency, keep=options.keep)


def _pod(options: argparse.Namespace) -> None:
    lab = _lab(options)
    one = lab.pod(options.pod)
    if options.action == "start":
        pod.start_and_wait(lab, one)
    else:
        getattr(pod, options.action)(lab, one)


def _ping(options: argparse.Namespace) -> int:
    answered = ping(_lab(options), options.server, options.address, count=options.count)
    print(f"{options.address} {'answers' if answered else 'does not answer'}")
    return 0 if answered else 1


def _exec(options: argparse.Namespace) -> int:
    words = options.words[1:] if options.words[:1] == ["--"] else options.words
    if not words:
        raise LabError("which command?")
    done = dataplane.server_exec(_lab(options), options.server, words)
    sys.stdout.write(done.stdout)
    sys.stderr.write(done.stderr)
    return done.returncode
