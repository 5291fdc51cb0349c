# SPDX-License-Identifier: Apache-2.0
"""What is asked about servers, their ports and their groups."""

from tricircle.pods.rights.right import Proof, Right

SERVER_GONE = Right(
    "server_gone",
    "compute",
    ("GET /servers/{}",),
    Proof.NOBODY,
    "Only whether the server is there at all is heeded: then what was made for it is let go.",
    ("DELETE /servers/{}", "GET /servers/{}"),
)
POD_PORT = Right(
    "pod_port",
    "network",
    ("GET /v2.0/ports/{}",),
    Proof.NOBODY,
    "Only which server holds the port is heeded; the port is one that we made in the pod.",
    ("POST /servers", "DELETE /servers/{}/os-interface/{}"),
)
RESERVATION = Right(
    "reservation",
    "compute",
    ("GET /servers/{}",),
    Proof.CALLER,
    "The pod made the server for the caller's own token in this very request; only its "
    "reservation id is told.",
    ("POST /servers",),
)
PORTS_SEEN = Right(
    "ports_seen",
    "central",
    ("GET /v2.0/ports", "GET /v2.0/ports/{}"),
    Proof.CALLER,
    "The pod shows the server to the caller's own token; of its ports only what the pod tells of "
    "them is told, by their ids here.",
    ("GET /servers/{}/os-interface", "GET /servers/{}/os-interface/{}"),
)
PORTS_BOUND = Right(
    "ports_bound",
    "central",
    ("GET /v2.0/ports/{}", "PUT /v2.0/ports/{}"),
    Proof.CALLER,
    "Central Neutron made the port for the caller's own token, or let it take the port for the "
    "server; the pod then decides whether they may have that.",
    ("POST /servers", "POST /servers/{}/os-interface"),
)
PORTS_MADE = Right(
    "ports_made",
    "central",
    ("POST /v2.0/ports",),
    Proof.CALLER,
    "Central Neutron made such a port, but for its device, for the caller's own token in this very "
    "request; these are of the same project and count in its quota.",
    ("POST /servers",),
)
PORTS_LET_GO = Right(
    "ports_let_go",
    "central",
    ("GET /v2.0/ports", "PUT /v2.0/ports/{}", "DELETE /v2.0/ports/{}"),
    Proof.ROW,
    "The row of the operation names what was made for the server or interface that is gone, or was "
    "not to be.",
    ("DELETE /servers/{}", "POST /servers/{}/action", "DELETE /servers/{}/os-interface/{}"),
)
SERVER_GROUP = Right(
    "server_group",
    "compute",
    ("GET /os-server-groups", "DELETE /os-server-groups/{}"),
    Proof.ROW,
    "The row in realizations is wanted no more since a pod let the caller delete a group.",
    ("DELETE /os-server-groups/{}",),
)
UNFINISHED_SERVER = Right(
    "unfinished_server",
    "compute",
    ("GET /servers/{}", "GET /servers/detail"),
    Proof.NOBODY,
    "Only whether the server of an operation is there is heeded.",
)
UNFINISHED_PORT = Right(
    "unfinished_port",
    "network",
    ("GET /v2.0/ports/{}",),
    Proof.NOBODY,
    "Only which server holds a port that we made in the pod is heeded.",
)
UNFINISHED_PORTS = Right(
    "unfinished_ports",
    "central",
    ("GET /v2.0/ports", "PUT /v2.0/ports/{}", "DELETE /v2.0/ports/{}"),
    Proof.ROW,
    "The row of the operation names whose ports they are and which were made.",
)
