# SPDX-License-Identifier: Apache-2.0
"""MariaDB, alone or three as a Galera cluster, and memcached: real ones, ended by those who start
them. Each is in a folder of its own and listens on 127.0.0.1 only.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pymysql

from lab import packages
from tests.functional.processes import free_ports
from tests.waiting import until

ADDRESS = "127.0.0.1"
_PATIENCE = 60.0
_LOCK = Path(tempfile.gettempdir()) / "tricircle-tests-apt.lock"
# rsync copies a whole data folder to a node that joins; as root it would drop its rights.
_USER = "mysql"


def install(*wanted: str) -> None:
    """Debian packages, unless they are there; one process of the tests at a time."""
    with open(_LOCK, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        packages.install_debian(list(wanted))


@contextmanager
def folder() -> Iterator[Path]:
    """A folder that others may walk through (pytest's own are closed to them)."""
    made = Path(tempfile.mkdtemp(prefix="tricircle-world-"))
    made.chmod(0o755)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


class Daemon:
    """One program of the machine, told apart by its pid alone."""

    def __init__(self, argv: list[str], log: Path) -> None:
        self._argv, self.log = argv, log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self._argv, stdout=log, stderr=log)

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def send(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def end(self) -> None:
        """As a power cut."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
        if self._process is not None:
            self._process.wait()


class MariaDB:
    """One server; ``cluster`` are the arguments that make it a node of one."""

    def __init__(self, home: Path, port: int, cluster: list[str] | None = None) -> None:
        self.home, self.port = home, port
        self.data, self._socket = home / "data", home / "socket"
        self._more = cluster or []
        self._user = _USER if os.geteuid() == 0 else str(os.geteuid())
        self._scratch = home / "tmp"
        for made in (self.data, self._scratch):
            made.mkdir(parents=True)
        self._own()
        self.daemon = Daemon(self._argv(), home / "log")

    def _own(self) -> None:
        if os.geteuid() == 0:
            subprocess.run(["chown", "-R", _USER, self.home], check=True)

    def make(self) -> None:
        """Write the tables a server needs to begin."""
        argv = ["mariadb-install-db", "--no-defaults", f"--user={self._user}"]
        more = ["--auth-root-authentication-method=normal", "--skip-test-db"]
        argv += [f"--datadir={self.data}", *more, "--innodb-log-file-size=16M"]
        argv.append(f"--tmpdir={self._scratch}")
        done = subprocess.run(argv, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    def _argv(self) -> list[str]:
        # In a shared tmpdir a server that begins takes what others are at for its own leftovers.
        return (
            f"""mariadbd --no-defaults --user={self._user} --datadir={self.data}
            --tmpdir={self._scratch} --socket={self._socket} --port={self.port}
            --bind-address={ADDRESS} --pid-file={self.home}/pid --innodb-doublewrite=0
            --innodb-flush-log-at-trx-commit=2 --innodb-buffer-pool-size=32M
            --innodb-log-file-size=16M --performance-schema=OFF --max-connections=400
            --skip-name-resolve --character-set-server=utf8mb4 --binlog-format=ROW
            --innodb-autoinc-lock-mode=2""".split()
            + self._more
        )

    def start(self) -> None:
        self.daemon.start()
        until(f"MariaDB serves ({self.daemon.log})", self._serves, _PATIENCE)

    def _serves(self) -> bool:
        assert self.daemon.runs, self.daemon.log.read_text()[-3000:]
        try:
            states = self.sql("SHOW STATUS LIKE 'wsrep_local_state_comment'")
        except pymysql.Error:
            return False
        return not self._more or [state for _, state in states] == ["Synced"]

    def sql(self, statement: str) -> list[tuple[str, ...]]:
        """What one statement gives, asked as root over the socket."""
        with (
            pymysql.connect(unix_socket=str(self._socket), user="root", autocommit=True) as made,
            made.cursor() as cursor,
        ):
            cursor.execute(statement)
            return list(cursor.fetchall())

    def open(self) -> None:
        """Let anybody on this machine in."""
        self.sql("CREATE USER IF NOT EXISTS tests@'127.0.0.1' IDENTIFIED BY 'secret'")
        self.sql("GRANT ALL ON *.* TO tests@'127.0.0.1'")

    def url(self, database: str) -> str:
        return f"mysql+pymysql://tests:secret@{ADDRESS}:{self.port}/{database}?charset=utf8mb4"


@contextmanager
def mariadb() -> Iterator[MariaDB]:
    """One server."""
    install("mariadb-server")
    with folder() as home:
        server = MariaDB(home, free_ports(1)[0])
        server.make()
        try:
            server.start()
            server.open()
            yield server
        finally:
            server.daemon.end()


@contextmanager
def galera() -> Iterator[list[MariaDB]]:
    """Three servers that are one cluster: each takes writes."""
    install("mariadb-server", "galera-4", "rsync", "iproute2")
    nodes: list[MariaDB] = []
    first = ""
    with folder() as home:
        try:
            for number in range(3):
                port, group, state, copies = free_ports(4)
                provider = f"gmcast.listen_addr=tcp://{ADDRESS}:{group}"
                provider += f";ist.recv_addr={ADDRESS}:{state};gcache.size=16M"
                # A node that gets no processor for some seconds is not to be thought dead.
                provider += ";evs.suspect_timeout=PT30S;evs.inactive_timeout=PT60S"
                arguments = f"""--wsrep-on=ON --wsrep-provider=/usr/lib/galera/libgalera_smm.so
                    --wsrep-cluster-name=tests --wsrep-cluster-address=gcomm://{first}
                    --wsrep-node-name=node{number} --wsrep-node-address={ADDRESS}
                    --wsrep-node-incoming-address={ADDRESS}:{port} --wsrep-sst-method=rsync
                    --wsrep-sst-receive-address={ADDRESS}:{copies}
                    --wsrep-provider-options={provider}"""
                node = MariaDB(home / f"node{number}", port, arguments.split())
                nodes.append(node)
                if not first:
                    node.make()
                    first = f"{ADDRESS}:{group}"
                node.start()
            nodes[0].open()
            yield nodes
        finally:
            for node in nodes:
                node.daemon.end()


@contextmanager
def memcached() -> Iterator[tuple[Daemon, str]]:
    """A memcached that runs, and its address."""
    install("memcached")
    (port,) = free_ports(1)
    with folder() as home:
        argv = ["memcached", "-l", ADDRESS, "-p", str(port), "-m", "16", "-t", "1", "-u", "nobody"]
        daemon = Daemon(argv, home / "log")
        daemon.start()
        try:
            yield daemon, f"{ADDRESS}:{port}"
        finally:
            daemon.end()
