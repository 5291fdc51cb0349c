# SPDX-License-Identifier: Apache-2.0
"""Keystone, and what goes beside a caller's token."""

from tricircle.pods.rights.right import Proof, Right

CATALOGUE = Right(
    "catalogue",
    "keystone",
    ("GET /auth/catalog",),
    Proof.NOBODY,
    "Where pods are; who may see that is for tricircle:pods:get to say.",
)
REGIONS = Right(
    "regions",
    "keystone",
    ("GET /regions",),
    Proof.POLICY,
    "tricircle:pods:create, before a region is looked up.",
    ("POST /pods",),
)
PROJECTS = Right(
    "projects",
    "keystone",
    ("GET /projects/{}",),
    Proof.POLICY,
    "tricircle:bindings:create, before a project is looked up.",
    ("POST /bindings",),
)
LIMITS = Right(
    "limits",
    "keystone",
    ("GET /limits", "GET /registered_limits"),
    Proof.NOBODY,
    "What is left of a project's limits decides what it may make; they are told only in a "
    "document that a pod has given the caller.",
)
MEMBERSHIP = Right(
    "membership",
    "keystone",
    (
        "GET /roles",
        "HEAD /projects/{}/users/{}/roles/{}",
        "PUT /projects/{}/users/{}/roles/{}",
        "DELETE /projects/{}/users/{}/roles/{}",
    ),
    Proof.POLICY,
    "As of the move: to take the copy the service user is a member of the owner's project for a "
    "moment.",
)
VOUCHING = Right(
    "vouching",
    "keystone",
    ("POST /auth/OS-FEDERATION/saml2/ecp",),
    Proof.POLICY,
    "tricircle:pods:create or :update, before a pod is tried: whether our Keystone vouches for "
    "anybody there. What it says of the service user goes nowhere.",
)
_BESIDE = (
    "The token beside ours is the caller's: their rights decide, ours only says that they ask "
    "through us, so that the rules of an application credential are held against what they asked "
    "us and not against how we do it."
)
BESIDE_COMPUTE = Right(
    "beside_compute",
    "compute",
    tuple(f"{method} /**" for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD")),
    Proof.CALLER,
    _BESIDE,
)
BESIDE_VOLUME = Right(
    "beside_volume",
    "volume",
    ("GET /**", "HEAD /**", "POST /volumes/{}/metadata"),
    Proof.CALLER,
    _BESIDE + " Cinder lets a service do what no user may (an attachment in use can be taken "
    "away): no change goes this way that means anything.",
)
BESIDE_CENTRAL = Right(
    "beside_central",
    "central",
    tuple(f"{method} /v2.0/**" for method in ("GET", "POST", "PUT", "DELETE")),
    Proof.CALLER,
    _BESIDE,
)
