# SPDX-License-Identifier: Apache-2.0
"""The one place of a lab's names, ports, paths and passwords.

A lab is a plain value: everything about it follows from its name, its base port and the list of
its pods. `up` writes it to ``<home>/lab.json``; every other command reads it from there.
"""

from __future__ import annotations

import dataclasses
import json
import os
import tempfile
import zlib
from pathlib import Path
from typing import Any

ADDRESS = "127.0.0.1"
#: Services listen on the loopback only, so one well-known password serves them all.
PASSWORD = "labpw"
REGION = "RegionOne"
#: The MySQL client in Python: what Tricircle is documented with, and what runs on eventlet, too.
MYSQL_DRIVER = "pymysql"
CURRENT = "2026.2"
#: Networks a lab may have: OVN, or Neutron's own agents (with packets); none but in the API.
PROFILES = ("ovn", "ovs", "fake")
PROJECT_ROOT = Path(__file__).resolve().parent.parent
DEFAULT_NAME = "lab"
FIRST_PORT = 20000
PORTS_PER_LAB = 1000
PORTS_PER_POD = 50

#: Offsets from a lab's base port.
SHARED_PORTS = {
    "identity": 0,
    "image": 1,
    "memcached": 2,
    "mariadb": 3,
    "rabbitmq": 4,
    "rabbitmq-dist": 5,
    "epmd": 6,
    # Tricircle's own processes: the one endpoint in front of the pods.
    "compute-gateway": 10,
    "volume-gateway": 11,
    "admin": 12,
    "central-network": 13,
    "console": 14,
    "placement-gateway": 15,
    # OpenStack's dashboard over them.
    "dashboard": 16,
}
#: Offsets from a pod's base port.
POD_PORTS = {"compute": 0, "placement": 1, "network": 2, "volume": 3}
CONSOLE_PORTS = {"vnc": 4, "serial": 5}
#: Of a pod with a Keystone and a Glance of its own.
REALM_PORTS = {"identity": 6, "image": 7, "identity-behind": 8}
#: How Tricircle may enter such a pod.
KEYSTONES = ("managed", "credentials", "k2k", "jwt")
#: Of these, those for which it is behind Apache.
FEDERATED = ("k2k", "jwt")
POD_DATABASES = ("placement", "nova_api", "nova_cell0", "nova_cell1", "neutron", "cinder")
REALM_DATABASES = ("keystone", "glance")
SHARED_DATABASES = ("keystone", "glance", "tricircle", "central_neutron")


class LabError(Exception):
    """Something a person can act on; the message says what to do."""


@dataclasses.dataclass
class Pod:
    """One OpenStack cloud of the lab: its own Nova, Neutron, Cinder and Placement."""

    index: int  # from 1
    hosts: list[str]
    release: str = CURRENT
    base_port: int = 0
    #: The external (north-south) network is plugged into this pod.
    external: bool = False
    #: How Tricircle enters the pod, where that has a Keystone of its own; "" where it has ours.
    keystone: str = ""

    @property
    def key(self) -> str:
        """Name in files, databases and host names: ``pod1``."""
        return f"pod{self.index}"

    @property
    def region(self) -> str:
        return f"Pod{self.index}"

    @property
    def az(self) -> str:
        """The zone Tricircle shows for this pod; inside, the pod has Nova's default zone only."""
        return f"az{self.index}"

    def port(self, service: str) -> int:
        """TCP port of one of POD_PORTS or CONSOLE_PORTS."""
        return self.base_port + (POD_PORTS | CONSOLE_PORTS)[service]

    def url(self, service: str) -> str:
        return f"http://{ADDRESS}:{self.port(service)}"

    def database(self, name: str) -> str:
        """Database name of one of POD_DATABASES."""
        return f"{self.key}_{name}"


@dataclasses.dataclass
class Lab:
    name: str
    base_port: int
    home: Path
    profile: str = "ovn"
    #: Separate daemons over RabbitMQ instead of three processes a pod.
    daemons: bool = False
    pods: list[Pod] = dataclasses.field(default_factory=list)

    # -- realms --------------------------------------------------------------------------------

    @property
    def realm(self) -> str:
        """What the names of Keystone and Glance, and of all that is theirs, begin with."""
        return ""

    @property
    def known_pods(self) -> list[Pod]:
        """Those that this Keystone knows."""
        return [pod for pod in self.pods if not pod.keystone]

    @property
    def is_behind_apache(self) -> bool:
        """Whether its Keystone is told by a web server's module who comes from elsewhere."""
        return False

    @property
    def vouches(self) -> bool:
        """Whether its Keystone says to a pod's who its users are."""
        return any(pod.keystone == "k2k" for pod in self.pods)

    @property
    def realms(self) -> list[Realm]:
        """One for each pod with a Keystone of its own."""
        return [realm for pod in self.pods if isinstance(realm := self.of(pod), Realm)]

    def of(self, pod: Pod) -> Lab:
        """The lab as a pod sees it: with its own Keystone and Glance, if it has them."""
        if not pod.keystone:
            return self
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(Lab)}
        return Realm(**values | {"pods": [pod]}, outer=self)

    @property
    def whole(self) -> Lab:
        """The lab as Tricircle sees it."""
        return self

    def named(self, name: str) -> str:
        """The name of a daemon or a folder of Keystone or Glance."""
        return f"{self.realm}-{name}" if self.realm else name

    def realm_database(self, name: str) -> str:
        """The name of a database of Keystone or Glance."""
        return f"{self.realm}_{name}" if self.realm else name

    # -- paths ---------------------------------------------------------------------------------

    @property
    def etc(self) -> Path:
        return self.home / "etc"

    @property
    def var(self) -> Path:
        return self.home / "var"

    @property
    def log(self) -> Path:
        return self.home / "log"

    @property
    def run(self) -> Path:
        """Records of running processes."""
        return self.home / "run"

    @property
    def sockets(self) -> Path:
        """Unix sockets; a short path, for a socket's may not be longer than 107 bytes."""
        base = Path("/run") if os.access("/run", os.W_OK) else Path(tempfile.gettempdir())
        return base / f"tricircle-{self.name}"

    @property
    def clouds_yaml(self) -> Path:
        return self.home / "clouds.yaml"

    # -- names and ports -----------------------------------------------------------------------

    @property
    def packets(self) -> bool:
        """Whether there is a data plane."""
        return self.profile != "fake"

    @property
    def agents(self) -> bool:
        """Whether each host has Neutron's agents, which need a broker to talk over."""
        return self.profile == "ovs"

    def on_threads(self, pod: Pod) -> bool:
        """Whether a pod's Nova and Cinder run on native threads, not on eventlet."""
        return not self.daemons and pod.release == CURRENT

    def consoles(self, pod: Pod) -> bool:
        """Whether a pod's servers have consoles: its proxies are threads of its Nova."""
        return self.on_threads(pod)

    @property
    def broker(self) -> bool:
        return self.daemons or self.agents

    @property
    def management_prefix(self) -> str:
        """First three bytes of the network by which hosts with agents reach the broker; it
        leaves the hosts' namespaces, so labs side by side must not share one."""
        return f"172.30.{self.base_port // PORTS_PER_LAB % 256}"

    @property
    def management_address(self) -> str:
        """The broker's address there."""
        return f"{self.management_prefix}.1"

    @property
    def netns_prefix(self) -> str:
        """Every network namespace of this lab, and of no other, begins so."""
        return f"{self.name}."

    def port(self, service: str) -> int:
        """TCP port of one of SHARED_PORTS."""
        return self.base_port + SHARED_PORTS[service]

    def url(self, service: str) -> str:
        return f"http://{ADDRESS}:{self.port(service)}"

    @property
    def identity_url(self) -> str:
        return self.url("identity") + "/v3"

    @property
    def memcached(self) -> str:
        return f"{ADDRESS}:{self.port('memcached')}"

    @property
    def mysql_socket(self) -> Path:
        return self.sockets / "mysql.sock"

    def database_url(self, database: str, driver: str = MYSQL_DRIVER) -> str:
        return (
            f"mysql+{driver}://root:{PASSWORD}@{ADDRESS}:{self.port('mariadb')}/{database}"
            "?charset=utf8"
        )

    def transport_url(self, vhost: str) -> str:
        """oslo.messaging transport; within one process where a pod is three processes."""
        return self.rabbit_url(vhost) if self.daemons else "fake:///"

    def network_transport_url(self, vhost: str) -> str:
        """Neutron's own: agents are reached over the broker."""
        return self.rabbit_url(vhost) if self.broker else "fake:///"

    def rabbit_url(self, vhost: str, address: str = ADDRESS) -> str:
        return f"rabbit://lab:{PASSWORD}@{address}:{self.port('rabbitmq')}/{vhost}"

    @property
    def databases(self) -> list[str]:
        return [
            *SHARED_DATABASES,
            *(realm.realm_database(name) for realm in self.realms for name in REALM_DATABASES),
            *(pod.database(name) for pod in self.pods for name in POD_DATABASES),
        ]

    def pod(self, name: str) -> Pod:
        """The pod of that region or key (any case). Raises LabError."""
        for pod in self.pods:
            if pod.key == name.lower():
                return pod
        known = ", ".join(pod.key for pod in self.pods)
        raise LabError(f"lab {self.name!r} has no pod {name!r}; it has {known}")

    @property
    def releases(self) -> list[str]:
        """Every series that runs here, the current one (the shared services') first."""
        return list(dict.fromkeys([CURRENT, *(pod.release for pod in self.pods)]))

    # -- persistence ---------------------------------------------------------------------------

    def save(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        data = dataclasses.asdict(self) | {"home": str(self.home)}
        partial = self.home / "lab.json.new"
        partial.write_text(json.dumps(data, indent=2) + "\n")
        partial.replace(self.home / "lab.json")


@dataclasses.dataclass
class Realm(Lab):
    """The lab as one pod sees it that has a Keystone and a Glance of its own."""

    @property
    def realm(self) -> str:
        return self.pods[0].key

    #: The lab that the pod is of.
    outer: Lab | None = None

    @property
    def whole(self) -> Lab:
        return self.outer or self

    @property
    def known_pods(self) -> list[Pod]:
        return self.pods

    @property
    def vouches(self) -> bool:
        return False

    @property
    def is_behind_apache(self) -> bool:
        """Whether its Keystone is told by a web server's module who comes from elsewhere."""
        return self.pods[0].keystone in FEDERATED

    @property
    def realms(self) -> list[Realm]:
        return []

    def of(self, pod: Pod) -> Lab:
        return self

    def port(self, service: str) -> int:
        if service in REALM_PORTS:
            return self.pods[0].base_port + REALM_PORTS[service]
        return super().port(service)


def home_of(name: str) -> Path:
    """Where a lab keeps its state; LAB_HOME moves all labs elsewhere."""
    return Path(os.environ.get("LAB_HOME") or PROJECT_ROOT / ".lab") / name


def default_base_port(name: str) -> int:
    """The default lab always has the same ports; others are spread by their name."""
    if name == DEFAULT_NAME:
        return FIRST_PORT
    return FIRST_PORT + PORTS_PER_LAB * (1 + zlib.crc32(name.encode()) % 9)


def first_given_out() -> int:
    """The first port that may be anybody's for a while: a connection's own end."""
    return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])


def new(
    name: str = DEFAULT_NAME,
    *,
    pods: int = 2,
    hosts: int = 2,
    profile: str = "ovn",
    daemons: bool = False,
    releases: dict[str, str] | None = None,
    external: str = "pod1",
    keystones: dict[str, str] | None = None,
    base_port: int | None = None,
) -> Lab:
    """Describe a lab. ``releases`` maps a pod's key to a series, ``keystones`` to how it is entered
    where it has a Keystone of its own; ``external`` holds the keys of the pods with the external
    network, joined by commas.

    Raises LabError for an impossible wish.
    """
    if not name.isalnum() or len(name) > 8:
        raise LabError(f"a lab's name is at most 8 letters and digits, not {name!r}")
    if profile not in PROFILES:
        raise LabError(f"unknown profile {profile!r}; there are {', '.join(PROFILES)}")
    if not 1 <= pods <= 9 or not 1 <= hosts <= 9:
        raise LabError("a lab has 1 to 9 pods of 1 to 9 hosts")
    base = base_port or default_base_port(name)
    if base + PORTS_PER_LAB > (given_out := first_given_out()):
        raise LabError(
            f"ports from {given_out} on are the kernel's to give to anybody, not a lab's"
        )
    outlets = [key.strip() for key in external.lower().split(",")]
    lab = Lab(name, base, home_of(name), profile, daemons)
    for index in range(1, pods + 1):
        key = f"pod{index}"
        lab.pods.append(
            Pod(
                index,
                [f"{key}-host{number}" for number in range(1, hosts + 1)],
                release=CURRENT,
                base_port=base + 100 + PORTS_PER_POD * index,
                external=key in outlets,
            )
        )
    for wanted, release in (releases or {}).items():
        lab.pod(wanted).release = release
    for wanted, kind in (keystones or {}).items():
        if kind not in KEYSTONES:
            raise LabError(f"a pod's own Keystone is entered as {', '.join(KEYSTONES)}, not {kind}")
        if lab.agents:
            raise LabError("pods with Neutron's own agents share one Keystone")
        lab.pod(wanted).keystone = kind
    for outlet in outlets:
        lab.pod(outlet)
    return lab


def shape(lab: Lab) -> dict[str, Any]:
    """The arguments of `new` that make this lab."""
    return {
        "pods": len(lab.pods),
        "hosts": len(lab.pods[0].hosts),
        "profile": lab.profile,
        "daemons": lab.daemons,
        "releases": {pod.key: pod.release for pod in lab.pods},
        "keystones": {pod.key: pod.keystone for pod in lab.pods if pod.keystone},
        "external": ",".join(pod.key for pod in lab.pods if pod.external),
        "base_port": lab.base_port,
    }


def load(name: str = DEFAULT_NAME) -> Lab:
    """The lab that `up` described. Raises LabError when there is none."""
    path = home_of(name) / "lab.json"
    try:
        data = json.loads(path.read_text())
    except FileNotFoundError:
        raise LabError(f"there is no lab {name!r}: run `lab up` first") from None
    data["home"] = path.parent
    data["pods"] = [Pod(**pod) for pod in data["pods"]]
    return Lab(**data)
