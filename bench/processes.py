# SPDX-License-Identifier: Apache-2.0
"""The processes that are measured: Tricircle's gateway and its database, and what they take."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench.cloud import Facts, endpoints
from bench.kinds import FLAVOR, FLAVOR_ID, KINDS, TYPE_ID, TYPE_NAME, type_id
from tricircle.conf import CONF
from tricircle.db import definitions, migrations, pods, session

_TICK = os.sysconf("SC_CLK_TCK")
_LONGEST_START = 60.0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def load() -> str:
    """The machine's load, for beside a figure."""
    with open("/proc/loadavg") as file:
        return file.read().split()[0]


class Program:
    """A program that runs while the block does; its output goes to ``log``."""

    def __init__(self, argv: list[str], log: Path, ready: Callable[[], bool]) -> None:
        self._argv, self._log, self._ready = argv, log, ready
        self._process: subprocess.Popen[bytes]

    def __enter__(self) -> Program:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._argv, stdout=log, stderr=log)
        until = time.monotonic() + _LONGEST_START
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() > until:
                raise SystemExit(f"{self._argv[0]}: {self._log.read_text()[-2000:]}")
            time.sleep(0.05)
        return self

    def __exit__(self, *error: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(40)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @property
    def pids(self) -> list[int]:
        """The process and its children."""
        pid = self._process.pid
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            return [pid, *map(int, file.read().split())]

    def cpu(self) -> float:
        """Seconds of processor used so far, of user and system."""
        return sum(cpu(pid) for pid in self.pids)

    def forget_peak(self) -> None:
        """Measure the peak of memory from here on."""
        for pid in self.pids:
            with open(f"/proc/{pid}/clear_refs", "w") as file:
                file.write("5")

    def peak(self) -> float:
        """MB of memory at the most."""
        return sum(_status(pid, "VmHWM") for pid in self.pids) / 1024


def cpu(pid: int) -> float:
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def _status(pid: int, name: str) -> int:
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(name))


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


# The database


@contextlib.contextmanager
def database(kind: str, folder: Path, memory: str = "256M") -> Iterator[str]:
    """The URL of our database, of SQLite or of a MariaDB that is started for it, and has one for
    central Neutron, too; both are empty unless the folder has them from before."""
    if kind == "sqlite":
        yield f"sqlite:///{folder}/tricircle.sqlite"
        return
    if shutil.which("mariadbd") is None:
        raise SystemExit("MariaDB is not installed: use --database sqlite")
    data, scratch, port = folder / "mysql", folder / "mysql-tmp", free_port()
    scratch.mkdir(exist_ok=True)
    install = ["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--skip-test-db",
               "--auth-root-authentication-method=normal", f"--user={_user()}",
               f"--tmpdir={scratch}"]  # fmt: skip
    if not data.exists():
        subprocess.run(install, check=True, capture_output=True)
    log = folder / "mariadb.log"
    # As in production but smaller: a commit is on the disk before it is told.
    argv = f"""mariadbd --no-defaults --user={_user()} --datadir={data} --tmpdir={scratch}
        --socket={folder}/sql
        --port={port} --bind-address=127.0.0.1 --innodb-buffer-pool-size={memory}
        --max-connections=200 --performance-schema=OFF --skip-name-resolve"""
    client = ["mariadb", "-S", f"{folder}/sql", "-u", "root", "-e"]

    def ready() -> bool:
        return subprocess.run([*client, "select 1"], capture_output=True).returncode == 0

    with Program(argv.split(), log, ready):
        made = (
            "create database if not exists tricircle; create database if not exists neutron "
            "character set utf8mb4; "
            "grant all on *.* to t@'127.0.0.1' identified by 't'"
        )
        subprocess.run([*client, made], check=True)
        yield f"mysql+pymysql://t:t@127.0.0.1:{port}/tricircle"


def _user() -> str:
    return "root" if os.geteuid() == 0 else str(os.geteuid())


# The gateway


@contextlib.contextmanager
def gateway(
    facts: Facts, database: str, folder: Path, **options: Any
) -> Iterator[tuple[Program, dict[str, int]]]:
    """A ``tricircle-gateway`` over a simulated cloud: (process, {service: port of its API})."""
    ports = {service: free_port() for service in KINDS}
    config = folder / "tricircle.conf"
    config.write_text(_config(facts, database, ports, options))
    _prepare(config, facts)
    program = str(Path(sys.executable).parent / "tricircle-gateway")

    def ready() -> bool:
        try:
            for port in ports.values():
                urllib.request.urlopen(f"http://127.0.0.1:{port}/healthcheck").close()
            return True
        except OSError:
            return False

    log = folder / "gateway.log"
    with Program([program, "--config-file", str(config)], log, ready) as process:
        yield process, ports


def _config(facts: Facts, database: str, ports: dict[str, int], options: dict[str, Any]) -> str:
    options = {f"{service}_port": port for service, port in ports.items()} | options
    more = "\n".join(f"{name} = {value}" for name, value in options.items())
    text = f"""
    [tricircle_database]
    connection = {database}
    [quota]
    instances = 1000000
    cores = 1000000
    ram = -1
    volumes = 1000000
    gigabytes = 1000000
    [tricircle_identity]
    www_authenticate_uri = {facts.keystone}/v3
    auth_type = password
    auth_url = {facts.keystone}/v3
    username = tricircle
    password = secret
    project_name = service
    user_domain_id = default
    project_domain_id = default
    [gateway]
    listen = 127.0.0.1
    admin_port = 0
    """
    return f"{textwrap.dedent(text)}{more}\n"


def _prepare(config: Path, facts: Facts) -> None:
    """Make the tables, and write the pods into them, and flavor and volume type as if made
    through us."""
    session.reset()
    CONF(["--config-file", str(config)], project="tricircle")
    migrations.sync()
    known = {row.region_name for row in pods.list_all()}
    for region, port in facts.ports.items():
        if region in known:
            continue
        versions = {
            kind.service: {"min": kind.oldest, "max": kind.newest} for kind in KINDS.values()
        }
        pods.create({
            "region_name": region, "availability_zone": "az1", "pod_availability_zone": "nova",
            "health": "up", "versions": versions, "endpoints": endpoints(port),
        })  # fmt: skip
    by_region = {row.region_name: row.id for row in pods.list_all()}
    definitions.put("flavor", FLAVOR_ID, FLAVOR, dict.fromkeys(by_region.values(), "1"))
    types = {by_region[region]: type_id(number) for number, region in enumerate(facts.ports)}
    definitions.put("volume_type", TYPE_ID, {"name": TYPE_NAME}, types)


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A folder for one run's files, removed afterwards, also when the run is told to end."""

    def end(number: int, _: object) -> None:
        signal.signal(number, signal.SIG_IGN)  # once is enough
        sys.exit(1)

    signal.signal(signal.SIGTERM, end)
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        yield Path(name)
