# SPDX-License-Identifier: Apache-2.0
"""What all services of a lab share: MariaDB, memcached and, for separate daemons, RabbitMQ."""

from __future__ import annotations

import shutil
import socket
import subprocess
from pathlib import Path

from lab import process
from lab.settings import ADDRESS, PASSWORD, Lab, LabError


def listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((ADDRESS, port)) == 0


def start_memcached(lab: Lab) -> None:
    port = lab.port("memcached")
    process.start(
        lab,
        "memcached",
        ["memcached", "-l", ADDRESS, "-p", port, "-m", 32, "-u", "nobody", "-t", 1],
    )
    process.wait_for("memcached", lambda: listening(port), 20, lab, "memcached")


#: Debian's MariaDB 10.11 may crash while it drops a temporary table of a client that was killed;
#: it recovers in a second when somebody starts it again.
RESTARTING = (
    "sh",
    "-c",
    'for attempt in 1 2 3 4 5 6 7 8 9; do "$@" && exit; sleep 0.3; done; exit 1',
    "restarting",
)

# -- MariaDB -------------------------------------------------------------------------------------


def sql(lab: Lab, statements: str, database: str = "") -> list[list[str]]:
    """Run statements as root over the socket; returns the rows as text."""
    argv = ["mariadb", "-N", "-B", "-S", lab.mysql_socket, "-u", "root", f"-p{PASSWORD}"]
    out = process.run([*argv, *([database] if database else [])], stdin=statements)
    return [line.split("\t") for line in out.splitlines()]


def load_dump(lab: Lab, database: str, dump: Path) -> None:
    argv = ["mariadb", "-S", str(lab.mysql_socket), "-u", "root", f"-p{PASSWORD}", database]
    with open(dump, "rb") as text:
        done = subprocess.run(argv, stdin=text, capture_output=True, timeout=300)
    if done.returncode:
        raise LabError(f"loading {database}: {done.stderr.decode()[-1000:]}")


def dump(lab: Lab, database: str, target: Path) -> None:
    argv = ["mariadb-dump", "-S", lab.mysql_socket, "-u", "root", f"-p{PASSWORD}"]
    text = process.run([*argv, "--skip-comments", "--skip-lock-tables", database])
    partial = target.with_suffix(".new")
    partial.write_text(text)
    partial.replace(target)


def start_mariadb(lab: Lab) -> None:
    """Start MariaDB with the lab's databases (empty at first). It runs as us, in our folder."""
    data, scratch = lab.var / "mysql", lab.var / "mysql-tmp"
    scratch.mkdir(parents=True, exist_ok=True)
    fresh = not (data / ".complete").exists()
    if fresh:
        shutil.rmtree(data, ignore_errors=True)
        data.mkdir(parents=True)
        process.run(
            [
                "mariadb-install-db",
                "--no-defaults",
                "--user=root",
                f"--datadir={data}",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                f"--tmpdir={scratch}",
            ]
        )
    lab.sockets.mkdir(parents=True, exist_ok=True)
    # Losing the last second in a power cut is nothing to a lab; waiting for the disk is. In a
    # tmpdir that servers share, one that begins takes what others are at for its own leftovers.
    argv = f"""mariadbd --no-defaults --user=root --datadir={data} --tmpdir={scratch}
        --socket={lab.mysql_socket}
        --port={lab.port("mariadb")} --bind-address={ADDRESS} --pid-file={data}/mariadb.pid
        --innodb-flush-log-at-trx-commit=0 --innodb-doublewrite=0
        --innodb-flush-method=O_DIRECT_NO_FSYNC --innodb-buffer-pool-size=128M
        --innodb-file-per-table=0 --innodb-log-file-size=64M --innodb-stats-persistent=0
        --performance-schema=OFF --max-connections=800 --character-set-server=utf8mb3
        --max-allowed-packet=64M --skip-name-resolve"""
    process.start(lab, "mariadb", [*RESTARTING, *argv.split()])
    if fresh:
        client = ["mariadb", "-S", lab.mysql_socket, "-u", "root"]
        process.wait_for(
            "MariaDB", lambda: process.run([*client, "-e", "select 1"]), 60, lab, "mariadb"
        )
        grants = (
            f"grant all on *.* to root@'127.0.0.1' identified by '{PASSWORD}' with grant option;"
            f"alter user root@localhost identified by '{PASSWORD}'; flush privileges;"
        )
        process.run(client, stdin=grants)
        (data / ".complete").touch()
    process.wait_for("MariaDB", lambda: sql(lab, "select 1"), 60, lab, "mariadb")
    sql(lab, "".join(f"create database if not exists {name};" for name in lab.databases))


# -- RabbitMQ ------------------------------------------------------------------------------------

RABBITMQ = Path("/usr/lib/rabbitmq/bin")


def _rabbit_environment(lab: Lab) -> dict[str, str]:
    home = lab.var / "rabbitmq"
    return {
        "RABBITMQ_NODENAME": f"{lab.name}@localhost",
        "RABBITMQ_MNESIA_BASE": str(home / "mnesia"),
        "RABBITMQ_LOG_BASE": str(home / "log"),
        "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "enabled_plugins"),
        "RABBITMQ_DIST_PORT": str(lab.port("rabbitmq-dist")),
        "RABBITMQ_PID_FILE": str(home / "pid"),
        "HOME": str(home),
        "ERL_EPMD_ADDRESS": ADDRESS,
        "ERL_EPMD_PORT": str(lab.port("epmd")),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none",
    }


def start_rabbitmq(lab: Lab) -> None:
    """Start RabbitMQ with one vhost for each pod and one for Tricircle."""
    home = lab.var / "rabbitmq"
    home.mkdir(parents=True, exist_ok=True)
    (home / "enabled_plugins").write_text("[].\n")
    addresses = [ADDRESS, *([lab.management_address] if lab.agents else [])]
    listeners = "".join(
        f"listeners.tcp.{number} = {address}:{lab.port('rabbitmq')}\n"
        for number, address in enumerate(addresses, 1)
    )
    (home / "rabbitmq.conf").write_text(
        f"{listeners}"
        f"default_user = lab\ndefault_pass = {PASSWORD}\n"
        "vm_memory_high_watermark.absolute = 512MB\ndisk_free_limit.absolute = 100MB\n"
        "log.console = true\nlog.console.level = warning\n"
    )
    env = _rabbit_environment(lab)
    # Past Debian's wrapper, which would move the broker to another user and session.
    process.start(lab, "rabbitmq", [RABBITMQ / "rabbitmq-server"], env=env)
    process.wait_for("RabbitMQ", lambda: listening(lab.port("rabbitmq")), 90, lab, "rabbitmq")
    control = [RABBITMQ / "rabbitmqctl", "-n", env["RABBITMQ_NODENAME"]]
    environment = process.environment(lab, env)
    process.run([*control, "await_startup", "--timeout", 60], env=environment)
    # Each rabbitmqctl starts an Erlang machine of its own: all of it in one expression.
    calls = "".join(
        f'rabbit_vhost:add(<<"{vhost}">>,<<"lab">>),'
        f'rabbit_auth_backend_internal:set_permissions(<<"lab">>,<<"{vhost}">>,'
        '<<".*">>,<<".*">>,<<".*">>,<<"lab">>),'
        for vhost in ["tricircle", *(pod.key for pod in lab.pods)]
    )
    process.run([*control, "eval", calls + "ok."], env=environment)
