# SPDX-License-Identifier: Apache-2.0
"""What a user of stock Neutron may rely on, and would miss if central Neutron did otherwise."""

import pytest
from neutron_lib import exceptions as n_exc

from tests.functional.network.stage import Object, Stage


@pytest.fixture
def interface(stage: Stage) -> Object:
    _, subnet = stage.network()
    router = stage.make("router", name="r")
    info = stage.l3.add_router_interface(stage.context, router["id"], {"subnet_id": subnet["id"]})
    found: Object = stage.core.get_port(stage.admin, info["port_id"])
    return found


def test_a_router_interface_is_active(stage: Stage, interface: Object) -> None:
    assert interface["status"] == "ACTIVE"


def test_a_port_becomes_an_interface(stage: Stage) -> None:
    port = stage.port(stage.network()[0])
    assert port["status"] == "DOWN"
    router = stage.make("router", name="r")
    stage.l3.add_router_interface(stage.context, router["id"], {"port_id": port["id"]})
    assert stage.core.get_port(stage.admin, port["id"])["status"] == "ACTIVE"


def test_nobody_changes_the_address_of_a_routers_interface(stage: Stage, interface: Object) -> None:
    (fixed,) = interface["fixed_ips"]
    other = {"subnet_id": fixed["subnet_id"], "ip_address": "10.0.0.99"}
    with pytest.raises(n_exc.BadRequest, match="not allowed"):
        stage.change("port", interface["id"], fixed_ips=[other])
