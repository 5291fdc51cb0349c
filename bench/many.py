# SPDX-License-Identifier: Apache-2.0
"""Many servers on a network by one request, in the region and straight in a pod.

``make bench-many`` on a lab that is up, with Tricircle. Nova takes ports for one server alone, so
the region asks its pod for each server by itself; the pod is timed both ways: by one request, whose
ports it makes after its answer, and by as many requests. Prints a table; all figures are of one
run.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import os
import time
from typing import Any

from bench.processes import load
from lab import settings, tricircle
from lab.settings import Lab

CLIENTS = 10
_PATIENCE = 900.0
_UNLIMITED = {"instances": -1, "cores": -1, "ram": -1}


class Place:
    """The region, or a pod: a network with a server that was there before."""

    def __init__(self, lab: Lab, cidr: str, region: str | None, zone: str | None) -> None:
        # The region lists what is made in its pods, too.
        self.name = f"bench-{region or 'region'}".lower()
        self.cloud = tricircle.connect(lab, region=region) if region else tricircle.connect(lab)
        self.zone = {"availability_zone": zone} if zone else {}
        self.cloud.set_compute_quotas(self.cloud.current_project_id, **_UNLIMITED)
        self.network = self.cloud.network.create_network(name=self.name)
        self.cloud.network.create_subnet(
            network_id=self.network.id, name=self.name, ip_version=4, cidr=cidr
        )
        image = self.cloud.image.find_image("tiny", ignore_missing=False)
        flavor = self.cloud.compute.find_flavor("bench.nano") or self.cloud.compute.create_flavor(
            name="bench.nano", ram=64, disk=1, vcpus=1
        )
        self.server = {
            "imageRef": image.id,
            "flavorRef": flavor.id,
            "networks": [{"uuid": self.network.id}],
            **self.zone,
        }
        self.ask(1)
        self.wait(1)

    def ask(self, number: int) -> None:
        body = {"server": {"name": self.name, "min_count": number, **self.server}}
        answer = self.cloud.compute.post("/servers", json=body, microversion="2.60")
        if answer.status_code != 202:
            raise SystemExit(f"{answer.status_code}: {answer.text}")

    def servers(self) -> list[Any]:
        return [one for one in self.cloud.compute.servers() if one.name.startswith(self.name)]

    def wait(self, number: int) -> None:
        """Until so many servers are there and all are active."""
        until = time.monotonic() + _PATIENCE
        while True:
            states = [one.status for one in self.servers()]
            if "ERROR" in states or time.monotonic() > until:
                raise SystemExit(f"the servers are {states}")
            if states == ["ACTIVE"] * number:
                return
            time.sleep(0.5)

    def clear(self, keep: int = 0) -> None:
        """Delete the servers, but the oldest ``keep``; and then the network."""
        found = sorted(self.servers(), key=lambda one: str(one.created_at))
        for server in found[keep:]:
            self.cloud.compute.delete_server(server)
        until = time.monotonic() + _PATIENCE
        while len(self.servers()) > keep and time.monotonic() < until:
            time.sleep(0.5)

    def end(self) -> None:
        self.clear()
        for _ in range(60):
            try:
                self.cloud.network.delete_network(self.network)
            except Exception:  # a port may go a moment after its server
                time.sleep(0.5)
            else:
                return


def by_one_request(place: Place, number: int) -> tuple[float, float]:
    """Seconds until the answer, and until all are active."""
    begun = time.monotonic()
    place.ask(number)
    answered = time.monotonic() - begun
    place.wait(number + 1)
    active = time.monotonic() - begun
    place.clear(keep=1)
    return answered, active


def by_many_requests(place: Place, number: int) -> tuple[float, float]:
    """The same for as many requests, CLIENTS at once; until the last answer."""
    begun = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(place.ask, [1] * number))
    answered = time.monotonic() - begun
    place.wait(number + 1)
    active = time.monotonic() - begun
    place.clear(keep=1)
    return answered, active


def run(lab: Lab, number: int) -> None:
    pod = lab.pods[0]
    inside = Place(lab, "10.235.0.0/20", pod.region, None)
    region = Place(lab, "10.236.0.0/20", None, pod.az)
    few = max(2, number // 5)
    rows = []
    for some in (few, number):
        rows += [
            (f"{pod.region}, {some} by one request", *by_one_request(inside, some)),
            (f"{pod.region}, {some} requests, {CLIENTS} at once", *by_many_requests(inside, some)),
            (f"the region, {some} by one request", *by_one_request(region, some)),
        ]
    inside.end()
    region.end()
    print(f"\n{'seconds':45} {'answered':>9} {'active':>9}   ({time.strftime('%Y-%m-%d %H:%M')}, "
          f"load {load()})")  # fmt: skip
    for at in range(0, len(rows), 3):
        for what, answered, active in rows[at : at + 3]:
            print(f"{what:45} {answered:9.1f} {active:9.1f}")
        (_, _, one), (_, many, active), (_, answered, ours) = rows[at : at + 3]
        print(
            f"{'  the region to as many requests':45} {answered / many:9.2f} {ours / active:9.2f}"
        )
        print(f"{'  the region to one request':45} {'':9} {ours / one:9.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", default=os.environ.get("LAB_NAME", settings.DEFAULT_NAME))
    parser.add_argument("--servers", type=int, default=40)
    given = parser.parse_args()
    run(settings.load(given.name), given.servers)


if __name__ == "__main__":
    main()
