# SPDX-License-Identifier: Apache-2.0
"""What a body of POST /servers asks for, as far as the gateway has to know."""

import dataclasses
import uuid
from collections.abc import Iterable
from typing import Any

from tricircle.gateway.call import Version
from tricircle.gateway.compute import schemas
from tricircle.gateway.http import bounds
from tricircle.gateway.http.errors import Fault
from tricircle.scheduling.zones import BadZone, Zone

AUTO, NONE = "auto", "none"
# From here on a request says what it wants for networks, and may say "auto" or "none".
NETWORKS_REQUIRED: Version = (2, 37)
# Until here a server without a description is described by its name.
_DESCRIPTION: Version = (2, 19)
_OURS = ("min_count", "max_count", "return_reservation_id")
_HINTS = ("os:scheduler_hints", "OS-SCH-HNT:scheduler_hints")


class RefusedByNova(Exception):
    """Nova itself refuses this body before it looks at anything: let a pod say it in its words."""


@dataclasses.dataclass(frozen=True, slots=True)
class NetworkWish:
    """One entry of ``networks``: a network or a port, an address wanted there, a device tag."""

    network_id: str | None = None
    port_id: str | None = None
    fixed_ip: str | None = None
    tag: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class NewVolume:
    """A volume that the pod is to make for the server: its size in GB and type, where they are
    named, and the snapshot it is made of."""

    gigabytes: int | None = None
    volume_type: str | None = None
    snapshot_id: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class CreateRequest:
    """``body`` is the client's; ``networks`` is None when nothing was said, AUTO, NONE or wishes.

    ``needs`` are (resource type, id) of what must be in the same pod as the server, ``group`` is
    the id of the server group it is to be in, ``volumes_made`` those that are made with it.
    """

    body: dict[str, Any]
    name: str
    zone: Zone
    networks: tuple[NetworkWish, ...] | str | None
    security_groups: tuple[str, ...]
    min_count: int
    max_count: int
    wants_reservation: bool
    needs: tuple[tuple[str, str], ...]
    group: str | None = None
    volumes_made: tuple[NewVolume, ...] = ()

    @property
    def volumes(self) -> list[str]:
        """Ids of volumes that are to be its."""
        return [item for kind, item in self.needs if kind == "volume"]

    @property
    def images(self) -> list[Any]:
        """The images it is made of, as the client named them."""
        server = self.server
        devices = _dicts(server.get("block_device_mapping_v2"))
        named = [device.get("uuid") for device in devices if device.get("source_type") == "image"]
        return [server.get("imageRef"), *named]

    @property
    def server(self) -> dict[str, Any]:
        server: dict[str, Any] = self.body["server"]
        return server

    def one_of_many(self, index: int) -> "CreateRequest":
        """The request for one of ``max_count`` servers, named as Nova names them."""
        server = {k: v for k, v in self.server.items() if k not in _OURS}
        if self.max_count > 1:
            server["name"] = f"{self.name}-{index + 1}"
        return dataclasses.replace(
            self,
            body={**self.body, "server": server},
            name=server["name"],
            min_count=1,
            max_count=1,
            wants_reservation=False,
        )


def parse(body: Any, version: Version) -> CreateRequest:
    """Raises RefusedByNova, and Fault 400 for an availability zone that cannot be read."""
    server = _dict(_dict(body).get("server"))
    if not schemas.fits_server(server):
        raise RefusedByNova
    name = _text(server.get("name"))
    low, high = _counts(server)
    networks = _networks(server.get("networks"), version)
    if high > 1 and (server.get("hostname") or _held_to_one(networks)):
        raise RefusedByNova
    try:
        zone = Zone.parse(_text(server.get("availability_zone") or ""))
    except BadZone as error:
        raise Fault(400, str(error)) from None
    return CreateRequest(
        body=body,
        name=name.strip(),
        zone=zone,
        networks=networks,
        security_groups=_security_groups(server.get("security_groups")),
        min_count=low,
        max_count=high,
        wants_reservation=_is_true(server.get("return_reservation_id")),
        needs=tuple(dict.fromkeys(_needs(body, server))),
        group=_group(body),
        volumes_made=tuple(_volumes_made(server)),
    )


def toward_pod(
    request: CreateRequest,
    zone: str | None,
    ports: Iterable[dict[str, str]],
    version: Version,
    group: str | None = None,
) -> tuple[dict[str, Any], Version]:
    """The body for a pod and the microversion to send it at.

    Only what differs in a pod is touched: its zone, its ports, its server ``group``; security
    groups go with the ports, so none are named. A server without a NIC must say "none", or the
    pod would attach it to the one network it has for the project; that word needs
    NETWORKS_REQUIRED.
    """
    server = {k: v for k, v in request.server.items() if k != "security_groups"}
    server.pop("availability_zone", None)
    if zone:
        server["availability_zone"] = zone
    entries = list(ports)
    server["networks"] = entries or NONE
    if not entries and version < NETWORKS_REQUIRED:
        if version < _DESCRIPTION:
            server.setdefault("description", request.name)
        version = NETWORKS_REQUIRED
    body = {**request.body, "server": server}
    for name in _HINTS if group else ():
        if isinstance(body.get(name), dict) and body[name].get("group"):
            body[name] = {**body[name], "group": group}
    return body, version


def _networks(value: Any, version: Version) -> tuple[NetworkWish, ...] | str | None:
    if value is None and version < NETWORKS_REQUIRED:
        return None
    if value in (AUTO, NONE) and version >= NETWORKS_REQUIRED:
        return str(value)
    if not isinstance(value, list):
        raise RefusedByNova
    wishes = tuple(_wish(_dict(entry)) for entry in value)
    ports = [wish.port_id for wish in wishes if wish.port_id]
    if len(ports) != len(set(ports)):
        raise RefusedByNova
    return wishes or None


def _wish(entry: dict[str, Any]) -> NetworkWish:
    wish = NetworkWish(
        network_id=None if entry.get("port") else _uuid(entry.get("uuid")),
        port_id=_uuid(entry["port"]) if entry.get("port") else None,
        fixed_ip=_text(entry.get("fixed_ip") or "") or None,
        tag=entry.get("tag"),
    )
    if (wish.port_id and wish.fixed_ip) or entry.keys() - {"uuid", "port", "fixed_ip", "tag"}:
        raise RefusedByNova
    return wish


def _held_to_one(networks: tuple[NetworkWish, ...] | str | None) -> bool:
    """Whether a port or an address is wanted that only one server can have."""
    return isinstance(networks, tuple) and any(w.port_id or w.fixed_ip for w in networks)


def _counts(server: dict[str, Any]) -> tuple[int, int]:
    low = _whole(server.get("min_count", 1))
    high = _whole(server.get("max_count", low))
    if not 0 < low <= high:
        raise RefusedByNova
    return low, high


def _whole(value: Any) -> int:
    """A number as Nova takes one: digits too, but no part of one, nor true."""
    number = bounds.whole(value, bounds.STORED)
    if number is None:
        raise RefusedByNova
    return number


def _security_groups(value: Any) -> tuple[str, ...]:
    """Names or ids, each once; only ``default`` is the same as none, Neutron gives it anyway."""
    if value is None:
        return ()
    names = tuple(dict.fromkeys(entry.get("name", "") for entry in value))
    return () if names == ("default",) else tuple(name for name in names if name)


def _needs(body: dict[str, Any], server: dict[str, Any]) -> Iterable[tuple[str, str]]:
    for device in _dicts(server.get("block_device_mapping")):
        yield from _needed(device, {"volume_id": "volume", "snapshot_id": "snapshot"})
    for device in _dicts(server.get("block_device_mapping_v2")):
        yield from _needed(device, {"volume_id": "volume", "snapshot_id": "snapshot"})
        if device.get("source_type") in ("volume", "snapshot"):
            yield from _needed(device, {"uuid": device["source_type"]})
    for hints in _dicts([body.get(name) for name in _HINTS]):
        yield from _needed(hints, {"same_host": "server"})


def _volumes_made(server: dict[str, Any]) -> Iterable[NewVolume]:
    """Sizes and types that are none are for a pod to refuse."""
    for device in _dicts(server.get("block_device_mapping")):
        if _said(device.get("snapshot_id")) and not _said(device.get("volume_id")):
            size = bounds.whole(device.get("volume_size"), bounds.STORED)
            yield NewVolume(size, None, _said(device.get("snapshot_id")))
    for device in _dicts(server.get("block_device_mapping_v2")):
        source = device.get("source_type")
        makes = source in ("blank", "image", "snapshot")
        if makes and device.get("destination_type") == "volume" and not device.get("no_device"):
            size = bounds.whole(device.get("volume_size"), bounds.STORED)
            snapshot = _said(device.get("uuid")) if source == "snapshot" else None
            yield NewVolume(size, _said(device.get("volume_type")), snapshot)


def _said(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _group(body: dict[str, Any]) -> str | None:
    """The server group hinted at; of several Nova takes the first."""
    for hints in _dicts([body.get(name) for name in _HINTS]):
        value = hints.get("group")
        if isinstance(value, list) and value:
            value = value[0]
        if value:
            return _uuid(value)
    return None


def _needed(source: dict[str, Any], types: dict[str, str]) -> Iterable[tuple[str, str]]:
    for key, resource_type in types.items():
        value = source.get(key)
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, str) and item:
                yield resource_type, item


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _dict(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise RefusedByNova
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise RefusedByNova
    return value


def _uuid(value: Any) -> str:
    try:
        uuid.UUID(_text(value))
    except ValueError:
        raise RefusedByNova from None
    return str(value)


def _is_true(value: Any) -> bool:
    return value is True or str(value).lower() in ("true", "1", "on", "yes", "y", "t")
