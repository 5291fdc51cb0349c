# SPDX-License-Identifier: Apache-2.0
"""The copies of networks, ports, … in pods."""

from tricircle.pods.rights.right import Proof, Right

_COPIED = (
    "networks",
    "subnets",
    "ports",
    "routers",
    "floatingips",
    "security-groups",
    "security-group-rules",
    "address-groups",
    "trunks",
    "qos/policies",
    "rbac-policies",
)
COPIES = Right(
    "copies",
    "network",
    (
        "GET /v2.0/extensions",
        "GET /v2.0/agents",
        "DELETE /v2.0/agents/{}",
        "PUT /v2.0/address-groups/{}/add_addresses",
        "PUT /v2.0/address-groups/{}/remove_addresses",
        *(f"{method} /v2.0/{one}" for one in _COPIED for method in ("GET", "POST")),
        *(f"{method} /v2.0/{one}/{{}}" for one in _COPIED for method in ("GET", "PUT", "DELETE")),
        "PUT /v2.0/routers/{}/add_router_interface",
        "PUT /v2.0/routers/{}/remove_router_interface",
        "PUT /v2.0/trunks/{}/add_subports",
        "PUT /v2.0/trunks/{}/remove_subports",
        "GET /v2.0/floatingips/{}/port_forwardings",
        "POST /v2.0/floatingips/{}/port_forwardings",
        "DELETE /v2.0/floatingips/{}/port_forwardings/{}",
        *(
            f"{call}"
            for kind in ("bandwidth_limit", "packet_rate_limit", "dscp_marking",
                         "minimum_bandwidth", "minimum_packet_rate")
            for call in (
                f"POST /v2.0/qos/policies/{{}}/{kind}_rules",
                f"PUT /v2.0/qos/policies/{{}}/{kind}_rules/{{}}",
                f"DELETE /v2.0/qos/policies/{{}}/{kind}_rules/{{}}",
            )
        ),
    ),
    Proof.CENTRAL_NEUTRON,
    "A row in tricircle_realizations: written in the transaction of the change that central "
    "Neutron let the caller make. Or one in tricircle_adopted: of whom tricircle:pods:adopt let.",
)  # fmt: skip
