# SPDX-License-Identifier: Apache-2.0
"""The demo: two real OpenStack clouds used as one, with the stock ``openstack`` client.

Every step is a command a user could type against the one region; what it printed is shown. The
summary at the end says what held. Exit status 0 only when everything did.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time

from lab import cli, client, dataplane, tricircle
from lab.settings import Lab

BOLD, DIM, GREEN, RED, PLAIN = (
    ("\033[1m", "\033[2m", "\033[32m", "\033[31m", "\033[0m") if sys.stdout.isatty() else ("",) * 5
)
SERVERS = {"web-1": "az1", "web-2": "az1", "db-1": "az2", "db-2": "az2"}
#: Two microversions far apart: the answers differ, each as that version wants it.
MICROVERSIONS = ("2.1", "2.96")


class Failed(Exception):
    """A step did not hold; the text is shown in the summary."""


class Demo:
    """One run: commands as the project's user ``demo``, each timed."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.suffix = time.strftime("%H%M%S")
        self.rows: list[tuple[str, bool, float, str]] = []
        self.seen: dict[str, dict[str, object]] = {}

    def name(self, base: str) -> str:
        return f"{base}-{self.suffix}"

    def openstack(self, *arguments: str, cloud: str = "demo", quiet: bool = False) -> str:
        """Run the stock client against the one region; returns what it printed."""
        argv = ["openstack", *arguments]
        print(f"{DIM}${PLAIN} {BOLD}{' '.join(argv)}{PLAIN}", flush=True)
        done = client.openstack(self.lab, *arguments, cloud=cloud)
        if not quiet or done.returncode:
            print((done.stdout + done.stderr).rstrip(), flush=True)
        if done.returncode:
            raise Failed(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "failed")
        return done.stdout

    def step(self, title: str, work: object) -> None:
        """Run one step and keep its row for the summary."""
        print(f"\n{BOLD}== {title}{PLAIN}", flush=True)
        started = time.monotonic()
        try:
            said = work() if callable(work) else ""
            held = True
        except Failed as error:
            said, held = str(error), False
            print(f"{RED}{error}{PLAIN}")
        self.rows.append((title, held, time.monotonic() - started, str(said or "")))

    # -- the steps -----------------------------------------------------------------------------

    def image(self) -> str:
        with tempfile.NamedTemporaryFile(suffix=".raw") as file:
            file.write(b"\0" * 65536)
            file.flush()
            self.openstack(
                *("image", "create", "--disk-format", "raw", "--container-format", "bare"),
                *(
                    "--file",
                    file.name,
                    self.name("tiny"),
                    "-f",
                    "value",
                    "-c",
                    "id",
                    "-c",
                    "status",
                ),
            )
        return "in the shared Glance"

    def flavor(self) -> str:
        self.openstack(
            *("flavor", "create", "--ram", "64", "--disk", "1", "--vcpus", "1"),
            *(self.name("m1.demo"), "-f", "value", "-c", "id"),
            cloud="admin",
        )
        return "made once, present in every pod"

    def keypair(self) -> str:
        self.openstack("keypair", "create", self.name("key"), quiet=True)
        return "made once, present in every pod"

    def network(self) -> str:
        net = self.name("net")
        self.openstack("network", "create", net, "-f", "value", "-c", "id", "-c", "status")
        self.openstack(
            *("subnet", "create", "--network", net, "--subnet-range", "10.77.0.0/24"),
            *(self.name("subnet"), "-f", "value", "-c", "id", "-c", "cidr"),
        )
        group = self.name("ping")
        self.openstack("security", "group", "create", group, "-f", "value", "-c", "id")
        self.openstack(
            *("security", "group", "rule", "create", "--protocol", "icmp", group),
            *("-f", "value", "-c", "id"),
        )
        return "not in any pod yet: the first port brings it there"

    def servers(self) -> str:
        for server, zone in SERVERS.items():
            self.openstack(
                *("server", "create", "--image", self.name("tiny"), "--wait"),
                *("--flavor", self.name("m1.demo"), "--key-name", self.name("key")),
                *("--network", self.name("net"), "--security-group", self.name("ping")),
                *("--availability-zone", zone, self.name(server)),
                *("-f", "value", "-c", "name", "-c", "status", "-c", "addresses"),
            )
        return f"{len(SERVERS)} servers ACTIVE in 2 zones"

    def list_together(self) -> str:
        for version in MICROVERSIONS:
            listed = self.openstack("--os-compute-api-version", version, "server", "list")
            missing = [name for name in SERVERS if self.name(name) not in listed]
            if missing:
                raise Failed(f"not in the list at {version}: {', '.join(missing)}")
        return f"one list, at {' and '.join(MICROVERSIONS)}"

    def shown(self) -> dict[str, dict[str, object]]:
        """Each server as an operator sees it, with the host it runs on."""
        listed = json.loads(self.openstack("server", "list", "-f", "json", quiet=True))
        ids = {row["Name"]: row["ID"] for row in listed}
        missing = [server for server in SERVERS if self.name(server) not in ids]
        if missing:
            raise Failed(f"there is no server {', '.join(missing)}")
        return {
            server: json.loads(
                self.openstack(
                    *("server", "show", ids[self.name(server)], "-f", "json"),
                    cloud="admin",
                    quiet=True,
                )
            )
            for server in SERVERS
        }

    def pings(self) -> str:
        servers = self.seen = self.shown()
        pairs = [("web-1", "web-2"), ("db-1", "db-2"), ("web-1", "db-1"), ("db-2", "web-2")]
        for source, target in pairs:
            addresses = servers[target]["addresses"]
            address = next(iter(addresses.values()))[0]  # type: ignore[attr-defined]
            identifier = str(servers[source]["id"])
            print(f"{DIM}${PLAIN} {BOLD}lab ping {self.name(source)} {address}{PLAIN}")
            answered = cli.ping(self.lab, identifier, address)
            print("answered" if answered else "no answer")
            if not answered:
                raise Failed(f"{target} ({address}) does not answer {source}")
        return f"{len(pairs)} pings answered, in both pods and between them"

    def landed(self) -> str:
        """Where the routings say each server is, beside the host its pod tells."""
        session = tricircle.connect(self.lab).session
        url = self.lab.url("admin") + "/tricircle/v1.0/routings"
        places = []
        for server, details in self.seen.items():
            routings = session.get(url, params={"resource_id": details["id"]}).json()["routings"]
            pod = routings[0]["region_name"] if routings else "?"
            host = details.get("OS-EXT-SRV-ATTR:host")
            print(f"  {server:6}  zone {SERVERS[server]}  pod {pod}  host {host}")
            places.append(pod)
        if len(set(places)) != 2:
            raise Failed(f"expected two pods, found {sorted(set(places))}")
        return f"in {' and '.join(sorted(set(places)))}"

    def switches(self) -> str:
        crashes = dataplane.check(self.lab)
        if crashes:
            raise Failed("; ".join(crashes))
        return "by their logs"

    def clean(self) -> str:
        self.openstack("server", "delete", "--wait", *(self.name(name) for name in SERVERS))
        self.openstack("network", "delete", self.name("net"))
        self.openstack("security", "group", "delete", self.name("ping"))
        self.openstack("keypair", "delete", self.name("key"))
        self.openstack("image", "delete", self.name("tiny"))
        self.openstack("flavor", "delete", self.name("m1.demo"), cloud="admin")
        return "all removed"

    def summary(self) -> bool:
        """Print the table; true when every step held."""
        print(f"\n{BOLD}Summary{PLAIN}")
        for title, held, seconds, said in self.rows:
            mark = f"{GREEN}ok  {PLAIN}" if held else f"{RED}FAIL{PLAIN}"
            print(f"  {mark}  {seconds:6.1f} s  {title:42}  {said}")
        total = sum(row[2] for row in self.rows)
        held = all(row[1] for row in self.rows)
        print(f"  {'all held' if held else 'NOT all held'}, {total:.0f} s")
        return held


def main() -> int:
    parser = argparse.ArgumentParser(prog="demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the servers and networks")
    parser.add_argument("--name", default="lab", help="name of the lab to use")
    arguments = parser.parse_args()
    started = time.monotonic()
    lab = cli.ensure_up(arguments.name, profile="ovn", with_tricircle=True)
    demo = Demo(lab)
    demo.rows.append(("two real pods and Tricircle up", True, time.monotonic() - started, ""))
    demo.step("image", demo.image)
    demo.step("flavor", demo.flavor)
    demo.step("keypair", demo.keypair)
    demo.step("network, subnet, security group", demo.network)
    demo.step("servers in az1 and az2", demo.servers)
    demo.step("one list, two microversions", demo.list_together)
    demo.step("real pings", demo.pings)
    demo.step("where each landed", demo.landed)
    demo.step("no switch has crashed", demo.switches)
    if not arguments.keep:
        demo.step("clean up", demo.clean)
    held = demo.summary()
    print("\nThe lab stays up: `uv run lab env` to use it, `make lab-down` to take it down.")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
