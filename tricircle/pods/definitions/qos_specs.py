# SPDX-License-Identifier: Apache-2.0
"""QoS specs. What they are associated with is a matter of the volume type."""

from tricircle.pods.definitions.named import ADOPTED, Collection, difference
from tricircle.pods.rest import Body, PodService

_V = "3.0"
SPECS = Collection("/qos-specs", "qos_specs", "qos_specs", _V)


def read(service: PodService, key: str) -> Body | None:
    """Name, consumer and specs."""
    found = SPECS.get(service, service.inside(key))
    return None if found is None else {name: found[name] for name in ("name", "consumer", "specs")}


def realize(service: PodService, key: str, body: Body) -> str:
    found, by_name = SPECS.find(service, key, body["name"])
    if found is None:
        wanted = {**body["specs"], "name": body["name"], "consumer": body["consumer"]}
        made = service.ask("POST", SPECS.path, _V, {"qos_specs": wanted})
        return str(made["qos_specs"]["id"])
    there = str(found["id"])
    if by_name and body.get(ADOPTED):
        return there
    more, gone = difference(found["specs"], body["specs"])
    if found["consumer"] != body["consumer"]:
        more["consumer"] = body["consumer"]
    if more:
        service.ask("PUT", SPECS.at(there), _V, {"qos_specs": more})
    if gone:
        service.ask("PUT", f"{SPECS.at(there)}/delete_keys", _V, {"keys": gone})
    return there


def remove(service: PodService, key: str) -> None:
    there = service.inside(key)
    service.ask("DELETE", f"{SPECS.at(there)}?force=True", _V, missing=True)
