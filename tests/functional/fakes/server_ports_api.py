# SPDX-License-Identifier: Apache-2.0
"""Ports of servers: plugged when a server is made, addresses by them, interfaces."""

from typing import Any

from aiohttp import web

from tests.functional.fakes.http import Exchange, Refusal, reply, route, utc_now
from tests.functional.fakes.keystone import Token
from tests.functional.fakes.neutron import Neutron
from tests.functional.fakes.server_store import Object, Server, ServerStore


class ServerPorts(ServerStore):
    """The pod's Nova binds them, unbinds them, and deletes those it has made."""

    neutron: Neutron

    # -- plugged and unplugged ---------------------------------------------------------------

    def nics(self, wanted: Object, token: Token, count: int) -> list[Object]:
        networks = wanted.get("networks")
        mine = [
            network
            for network in self.neutron.tables["networks"].values()
            if network["project_id"] == token.project_id
        ]
        if networks == "none":
            return []
        if networks in (None, "auto", []):
            if len(mine) > 1:
                raise Refusal(409, "Multiple possible networks found, use a Network ID to be more "
                                   "specific.")  # fmt: skip
            return [{"uuid": network["id"]} for network in mine]
        for nic in networks:
            if nic.get("port"):
                if count > 1:
                    raise Refusal(
                        400, "The requested configuration of a single network port for multiple "
                        "servers is not supported.",
                    )  # fmt: skip
                port = self._port(nic["port"], token)
                if port["device_id"]:
                    raise Refusal(409, f"Port {nic['port']} is still in use.")
                if not port["fixed_ips"]:
                    raise Refusal(
                        400, f"Port {nic['port']} requires a FixedIP in order to be used."
                    )
            elif nic.get("uuid") not in self.neutron.tables["networks"]:
                raise Refusal(400, f"Network {nic.get('uuid')} could not be found.")
        return list(networks)

    def _port(self, port_id: str, token: Token) -> Object:
        port = self.neutron.tables["ports"].get(port_id)
        if port is None or (port["project_id"] != token.project_id and not token.is_admin):
            raise Refusal(400, f"Port id {port_id} could not be found.")
        return port

    def plug(self, server: Server, nics: list[Object], wanted: Object, token: Token) -> None:
        for nic in nics:
            if nic.get("port"):
                port = self._port(nic["port"], token)
            else:
                port = self._make_port(server, nic, wanted.get("security_groups"))
            if not self.neutron.sees_network(port["network_id"], token):
                continue  # Nova leaves it out without a word.
            self._bind(server, port)
            if nic.get("tag"):
                server.port_tags[port["id"]] = nic["tag"]

    def _make_port(self, server: Server, nic: Object, groups: Any = None) -> Object:
        body: Object = {"network_id": nic["uuid"]}
        if nic.get("fixed_ip"):
            body["fixed_ips"] = [{"ip_address": nic["fixed_ip"]}]
        port = self.neutron.make("ports", server.project_id, **body)
        server.own_ports.add(port["id"])
        return port

    def _bind(self, server: Server, port: Object) -> None:
        port.update({
            "device_id": server.id, "device_owner": f"compute:{self.zone}", "status": "ACTIVE",
            "binding:host_id": server.host, "binding:vif_type": "ovs",
        })  # fmt: skip

    def _unplug(self, server: Server, port: Object) -> None:
        if port["id"] in server.own_ports:
            self.neutron.tables["ports"].pop(port["id"], None)
        else:
            port.update({"device_id": "", "device_owner": "", "status": "DOWN",
                         "binding:host_id": "", "binding:vif_type": "unbound"})  # fmt: skip

    def remove_server(self, server: Server) -> None:
        for port in self.neutron.ports(device_id=server.id):
            self._unplug(server, port)
        for attachment_id, volume in self.attached(server).items():
            del self.cinder.items["attachment"][attachment_id]
            if volume["id"] in server.own_volumes:
                del self.cinder.items["volume"][volume["id"]]
            else:
                volume["status"] = "available"
        server.deleted, server.status, server.updated = True, "DELETED", utc_now()

    # -- addresses ---------------------------------------------------------------------------

    def addresses(self, server: Server) -> Object:
        found: dict[str, list[Object]] = {}
        outside: dict[str, list[Object]] = {}
        for port in self.neutron.ports(device_id=server.id):
            network = self.neutron.tables["networks"][port["network_id"]]
            for ip in port["fixed_ips"]:
                entry = {
                    "version": 6 if ":" in ip["ip_address"] else 4,
                    "addr": ip["ip_address"],
                    "OS-EXT-IPS:type": "fixed",
                    "OS-EXT-IPS-MAC:mac_addr": port["mac_address"],
                }
                found.setdefault(network["name"], []).append(entry)
                for one in self.neutron.tables["floatingips"].values():
                    if (one["port_id"], one["fixed_ip_address"]) == (port["id"], ip["ip_address"]):
                        outside.setdefault(network["name"], []).append({
                            **entry, "addr": one["floating_ip_address"],
                            "OS-EXT-IPS:type": "floating",
                        })  # fmt: skip
        return {name: [*fixed, *outside.get(name, ())] for name, fixed in found.items()}

    def _addresses_alone(self, server: Server) -> Object:
        return {
            name: [{"version": one["version"], "addr": one["addr"]} for one in entries]
            for name, entries in self.addresses(server).items()
        }

    @route("GET", "/servers/{server_id}/ips")
    def ips(self, exchange: Exchange, server_id: str) -> web.Response:
        return reply({"addresses": self._addresses_alone(self.server_of(server_id, exchange))})

    @route("GET", "/servers/{server_id}/ips/{name}")
    def ips_of_network(self, exchange: Exchange, server_id: str, name: str) -> web.Response:
        found = self._addresses_alone(self.server_of(server_id, exchange))
        if name not in found:
            raise Refusal(404, "Instance is not a member of specified network")
        return reply({name: found[name]})

    # -- interfaces --------------------------------------------------------------------------

    def _interface(self, server: Server, port: Object, exchange: Exchange) -> Object:
        shown = {
            "net_id": port["network_id"],
            "port_id": port["id"],
            "mac_addr": port["mac_address"],
            "port_state": port["status"],
            "fixed_ips": port["fixed_ips"],
        }
        if exchange.version >= (2, 70):
            shown["tag"] = server.port_tags.get(port["id"])
        return shown

    @route("GET", "/servers/{server_id}/os-interface")
    def interfaces(self, exchange: Exchange, server_id: str) -> web.Response:
        server = self.server_of(server_id, exchange)
        ports = self.neutron.ports(device_id=server_id)
        shown = [self._interface(server, port, exchange) for port in ports]
        return reply({"interfaceAttachments": shown})

    def _plugged(self, server: Server, port_id: str) -> Object:
        port = self.neutron.tables["ports"].get(port_id)
        if port is None or port["device_id"] != server.id:
            raise Refusal(404, f"Instance {server.id} does not have a port with id {port_id}")
        return port

    @route("GET", "/servers/{server_id}/os-interface/{port_id}")
    def interface(self, exchange: Exchange, server_id: str, port_id: str) -> web.Response:
        server = self.server_of(server_id, exchange)
        port = self._plugged(server, port_id)
        return reply({"interfaceAttachment": self._interface(server, port, exchange)})

    @route("POST", "/servers/{server_id}/os-interface")
    def attach(self, exchange: Exchange, server_id: str) -> web.Response:
        server = self.server_of(server_id, exchange)
        wanted = exchange.json("interfaceAttachment")
        if wanted.get("tag") and exchange.version < (2, 49):
            raise Refusal(400, "Additional properties are not allowed ('tag' was unexpected)")
        if wanted.get("port_id"):
            port = self._port(wanted["port_id"], exchange.token)
            if port["device_id"]:
                raise Refusal(409, f"Port {port['id']} is still in use.")
        else:
            fixed = wanted.get("fixed_ips") or [{}]
            nics = self.nics({"networks": wanted.get("net_id") and [{"uuid": wanted["net_id"]}]},
                              exchange.token, 1)  # fmt: skip
            if not nics:
                raise Refusal(400, "No networks there")
            port = self._make_port(
                server, {"uuid": nics[0]["uuid"], "fixed_ip": fixed[0].get("ip_address")}
            )
        self._bind(server, port)
        if wanted.get("tag"):
            server.port_tags[port["id"]] = wanted["tag"]
        return reply({"interfaceAttachment": self._interface(server, port, exchange)})

    @route("DELETE", "/servers/{server_id}/os-interface/{port_id}")
    def detach(self, exchange: Exchange, server_id: str, port_id: str) -> web.Response:
        server = self.server_of(server_id, exchange)
        self._unplug(server, self._plugged(server, port_id))
        return reply(None, 202)
