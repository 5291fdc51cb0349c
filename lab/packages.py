# SPDX-License-Identifier: Apache-2.0
"""What a lab needs on the machine: Debian packages, and each OpenStack series in a virtual
environment of its own, made from a locked list and kept between labs."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

from lab import process, settings
from lab.settings import Lab, LabError

LOCKS = Path(__file__).resolve().parent / "locks"
STOCK = Path(__file__).resolve().parent / "stock"
BASE = (
    "mariadb-server",
    "python3-mysqldb",
    "memcached",
    "qemu-utils",
    "iproute2",
    "procps",
    "netbase",
)
PACKETS = (
    "openvswitch-switch",
    "iptables",
    "ethtool",
    "busybox",
    "isc-dhcp-client",
    "iputils-ping",
)
NETWORKS = {
    "ovn": (*PACKETS, "ovn-central", "ovn-host"),
    "ovs": (*PACKETS, "conntrack", "dnsmasq-base", "dnsmasq-utils", "ipset", "radvd"),
    "fake": (),
}
#: Before a pod's own Keystone, by how Tricircle enters it; and for the one that vouches.
WEB_SERVERS = {
    "k2k": ("apache2", "libapache2-mod-shib", "xmlsec1", "openssl"),
    "jwt": ("apache2", "libapache2-mod-auth-openidc", "openssl"),
}
BROKER = ("rabbitmq-server",)
POLICY = Path("/usr/sbin/policy-rc.d")
#: Where Debian has its MySQL client in C, a Python package.
MYSQL_CLIENT = Path("/usr/lib/python3/dist-packages/MySQLdb")


def debian(lab: Lab) -> list[str]:
    return [
        *BASE,
        *NETWORKS[lab.profile],
        *(BROKER if lab.broker else ()),
        *dict.fromkeys(name for pod in lab.pods for name in WEB_SERVERS.get(pod.keystone, ())),
    ]


def missing(packages: Iterable[str]) -> list[str]:
    return [name for name in packages if not _installed(name)]


def _installed(package: str) -> bool:
    try:
        status = process.run(["dpkg-query", "-W", "-f", "${db:Status-Status}", package])
    except LabError:
        return False
    return status == "installed"


def install_debian(packages: list[str]) -> None:
    """apt-get what is missing, quietly and without letting a package start its daemon."""
    wanted = missing(packages)
    if not wanted:
        return
    if os.geteuid():
        raise LabError(f"install these packages first: apt-get install {' '.join(wanted)}")
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    own_policy = not POLICY.exists()
    if own_policy:
        POLICY.write_text(
            "#!/bin/sh\n# A lab is installing; it starts its daemons itself.\nexit 101\n"
        )
        POLICY.chmod(0o755)
    try:
        apt = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300"]
        install = [*apt, "install", "-y", "--no-install-recommends", *wanted]
        try:
            process.run(install, env=env, timeout=900)
        except LabError:  # the package lists may be old or absent
            process.run([*apt, "update"], env=env, timeout=300)
            process.run(install, env=env, timeout=900)
    finally:
        if own_policy:
            POLICY.unlink(missing_ok=True)


# -- virtual environments ------------------------------------------------------------------------


def series() -> list[str]:
    """The OpenStack series that are locked here."""
    return sorted(path.stem for path in LOCKS.glob("20*.txt"))


def venv(release: str) -> Path:
    """Where that series is, or will be, installed; a new lock is a new place."""
    lock = LOCKS / f"{release}.txt"
    if not lock.exists():
        raise LabError(f"no series {release!r} here; there are {', '.join(series())}")
    wanted = lock.read_bytes() + _python().encode()
    return cache() / f"{release}-{hashlib.sha256(wanted).hexdigest()[:12]}"


def cache() -> Path:
    """Where what labs have in common is kept."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "tricircle-lab"


def _python() -> str:
    """The interpreter that pods run on: the one below our own environment, if it is a 3.11."""
    if sys.version_info[:2] != (3, 11):
        return "3.11"
    return str((Path(sys.base_exec_prefix) / "bin" / "python3.11").resolve())


def _uv() -> str:
    """The program uv: the one that runs us, or else one that is installed."""
    own = settings.PROJECT_ROOT / ".uv" / "bin" / "uv"
    found = os.environ.get("UV") or shutil.which("uv") or (str(own) if own.exists() else None)
    if not found:
        raise LabError("the program uv is missing: see https://docs.astral.sh/uv/")
    return found


def install_venv(release: str) -> Path:
    """Install a series unless it is there. One at a time; what a crash left is made anew."""
    place = venv(release)
    done = place / ".complete"
    if done.exists():
        return place
    uv = _uv()
    place.parent.mkdir(parents=True, exist_ok=True)
    with open(place.parent / f"{release}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if done.exists():
            return place
        env = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"}
        process.run([uv, "venv", "-q", "--clear", "--python", _python(), place], env=env)
        python = place / "bin" / "python"
        lockfile = LOCKS / f"{release}.txt"
        # Compiled now, by one process: else the first start of ten daemons compiles ten times.
        install = [uv, "pip", "install", "-q", "--compile-bytecode", "--python", python]
        process.run([*install, "-r", lockfile], env=env, timeout=1200)
        done.touch()
    return place


def _linked_client(release: str) -> Path:
    return venv(release) / "lib" / "python3.11" / "site-packages" / MYSQL_CLIENT.name


def link_mysql_client(release: str) -> None:
    """Let a series use the MySQL client in C, if its Python can load it: the one in Python takes a
    fifth of Neutron's processor time."""
    link = _linked_client(release)
    if link.exists():
        return
    with contextlib.suppress(FileExistsError):  # another lab's, right now
        link.symlink_to(MYSQL_CLIENT)
    try:
        process.run([venv(release) / "bin" / "python", "-c", "import MySQLdb"])
    except LabError:
        link.unlink(missing_ok=True)


def mysql_driver(release: str) -> str:
    """What SQLAlchemy is to reach MariaDB by from a service of that series on native threads. (On
    eventlet a client in C would hold up the whole process.)"""
    return "mysqldb" if _linked_client(release).exists() else settings.MYSQL_DRIVER


def environment(release: str) -> dict[str, str]:
    """Environment of a stock service of that series."""
    place = venv(release)
    return {
        "PATH": f"{STOCK / 'bin'}:{place / 'bin'}:/usr/local/sbin:/usr/local/bin"
        ":/usr/sbin:/usr/bin:/sbin:/bin",
        "PYTHONPATH": str(STOCK),
        "PYTHONWARNINGS": "ignore",
        "PYTHONUNBUFFERED": "1",
    }
