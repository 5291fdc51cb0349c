# SPDX-License-Identifier: Apache-2.0
"""What documents of servers show of ports is read by one call, for those who see the ports."""

import json
from typing import Any

import pytest
import webob
from neutron.pecan_wsgi import app
from neutron_lib import context as n_context
from neutron_lib import exceptions as n_exc
from neutron_lib.plugins import constants, directory

from tests.functional.network.stage import PROJECT, Object, Stage
from tests.functional.network.statements import Asked
from tricircle.network.plugins import server_addresses


def admin() -> Any:
    return n_context.get_admin_context()


def member(project: str = PROJECT) -> Any:
    return n_context.Context("user", project, roles=["member", "reader"])


def told(context: Any, *servers: str) -> dict[str, list[Object]]:
    found = directory.get_plugin(constants.L3).get_server_addresses(context, {"id": servers})
    return {one["id"]: one["ports"] for one in found}


def server(stage: Stage, network: Object, name: str, **more: Any) -> Object:
    return stage.port(network, device_id=name, device_owner="compute:az1", **more)


def test_a_port_is_told_with_all_that_a_document_shows(stage: Stage) -> None:
    network, _ = stage.network()
    group = stage.make("security_group", name="web")
    port = server(stage, network, "vm", security_groups=[group["id"]])
    server(stage, network, "other")
    assert told(member(), "vm") == {
        "vm": [
            {
                "id": port["id"],
                "network_name": "net",
                "mac_address": port["mac_address"],
                "fixed_ips": [
                    {"ip_address": port["fixed_ips"][0]["ip_address"], "floating_ips": []}
                ],
                "security_groups": ["web"],
            }
        ]
    }
    assert told(member(), "none") == {}


def test_a_floating_ip_is_told_with_the_address_it_leads_to(stage: Stage) -> None:
    external, _ = stage.network("203.0.113.0/24", **{"router:external": True})
    network, subnet = stage.network()
    router = stage.make("router", external_gateway_info={"network_id": external["id"]})
    directory.get_plugin(constants.L3).add_router_interface(
        admin(), router["id"], {"subnet_id": subnet["id"]}
    )
    port = server(stage, network, "vm")
    floating = stage.make("floatingip", floating_network_id=external["id"], port_id=port["id"])
    for context in (member(), admin()):
        (ip,) = told(context, "vm")["vm"][0]["fixed_ips"]
        assert ip["floating_ips"] == [floating["floating_ip_address"]]


def test_who_does_not_see_a_port_is_told_nothing(stage: Stage) -> None:
    network, _ = stage.network()
    server(stage, network, "vm")
    assert told(member("another-project"), "vm") == {}
    assert told(admin(), "vm").keys() == {"vm"}


def test_many_servers_are_read_by_as_many_statements_as_one(stage: Stage, asked: Asked) -> None:
    network, _ = stage.network()
    names = [f"vm{index}" for index in range(5)]
    for name in names:
        server(stage, network, name)
    with asked.counting():
        told(member(), names[0])
    one = len(asked.statements)
    with asked.counting():
        assert told(member(), *names).keys() == set(names)
    assert len(asked.statements) == one <= 4


@pytest.mark.parametrize("number", [0, server_addresses.MOST + 1])
def test_so_many_are_not_asked_for(stage: Stage, number: int) -> None:
    with pytest.raises(n_exc.InvalidInput, match="Name 1 to 100 servers by id"):
        told(member(), *(f"vm{index}" for index in range(number)))


def test_it_is_served_by_neutrons_api(stage: Stage) -> None:
    network, _ = stage.network()
    server(stage, network, "vm")
    api = app.v2_factory({})

    def get(path: str) -> tuple[int, Any]:
        request = webob.Request.blank(path, environ={"neutron.context": member()})
        answer = request.get_response(api)
        return answer.status_int, json.loads(answer.body)

    status, document = get("/server-addresses.json?id=vm&id=other")
    assert status == 200, document
    (found,) = document["server_addresses"]
    assert (found["id"], found["ports"][0]["network_name"]) == ("vm", "net")
    status, document = get("/server-addresses.json")
    assert (status, document["NeutronError"]["type"]) == (400, "InvalidInput")
    status, document = get("/server-addresses/vm.json")
    assert (status, document["server_address"]) == (200, found)
    status, _ = get("/server-addresses/other.json")
    assert status == 404
