# SPDX-License-Identifier: Apache-2.0
"""The script of a guest's DHCP client, with an `ip` that only says what it was asked."""

import os
import subprocess

import pytest

from lab.stock import nova_netns_guest as guests


@pytest.fixture
def call(tmp_path):
    fake = tmp_path / "bin" / "ip"
    fake.parent.mkdir()
    fake.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n')
    fake.chmod(0o755)

    def call(event, **variables):
        env = {"PATH": f"{fake.parent}:{os.environ['PATH']}", "interface": "eth1"} | variables
        done = subprocess.run(
            [str(guests.SCRIPT), event], env=env, capture_output=True, text=True, check=True
        )
        asked = tmp_path / "asked"
        return (asked.read_text().splitlines() if asked.exists() else []), done.stdout

    return call


def test_a_lease_sets_address_mtu_and_gateway(call):
    asked, said = call("bound", ip="10.0.0.5", mask="24", router="10.0.0.1", mtu="1442")
    assert asked == [
        "address replace 10.0.0.5/24 dev eth1",
        "link set eth1 mtu 1442",
        "route replace default via 10.0.0.1 dev eth1 metric 101",
    ]
    assert "address 10.0.0.5/24 gateway 10.0.0.1" in said


def test_routes_of_the_subnet_are_set_with_and_without_a_gateway(call):
    routes = "192.0.2.0/24 10.0.0.7 198.51.100.0/24 0.0.0.0"
    asked, _ = call("renew", ip="10.0.0.5", mask="24", staticroutes=routes)
    assert asked[1:] == [
        "route replace 192.0.2.0/24 via 10.0.0.7 dev eth1 metric 101",
        "route replace 198.51.100.0/24 dev eth1 metric 101",
    ]


def test_without_a_lease_no_address_stays(call):
    asked, _ = call("deconfig")
    assert asked == ["-4 address flush dev eth1 scope global"]
