# SPDX-License-Identifier: Apache-2.0
"""Definitions that are the same in every pod."""

from tricircle.pods.rights.right import Proof, Right

_MIRRORED = (
    "A pod made the same change for the caller's own token: that it has no such thing, or has it "
    "already, proves nothing. A pod that was away, or has lost it, gets it from the row written "
    "then."
)


def _mirrored(name: str, service: str, calls: tuple[str, ...], *asked: str) -> Right:
    return Right(name, service, calls, Proof.CALLER, _MIRRORED, asked)


FLAVOR = _mirrored(
    "flavor",
    "compute",
    (
        "GET /flavors/{}",
        "POST /flavors",
        "PUT /flavors/{}",
        "DELETE /flavors/{}",
        "GET /flavors/{}/os-flavor-access",
        "POST /flavors/{}/action addTenantAccess",
        "POST /flavors/{}/action removeTenantAccess",
        "POST /flavors/{}/os-extra_specs",
        "DELETE /flavors/{}/os-extra_specs/{}",
    ),
    "POST /flavors",
    "PUT /flavors/{}",
    "DELETE /flavors/{}",
    "POST /flavors/{}/action",
    "POST /flavors/{}/os-extra_specs",
    "PUT /flavors/{}/os-extra_specs/{}",
    "DELETE /flavors/{}/os-extra_specs/{}",
)
KEYPAIR = _mirrored(
    "keypair",
    "compute",
    ("GET /os-keypairs/{}", "POST /os-keypairs", "DELETE /os-keypairs/{}"),
    "POST /os-keypairs",
    "DELETE /os-keypairs/{}",
)
QOS_SPECS = _mirrored(
    "qos_specs",
    "volume",
    (
        "GET /qos-specs",
        "GET /qos-specs/{}",
        "POST /qos-specs",
        "PUT /qos-specs/{}",
        "PUT /qos-specs/{}/delete_keys",
        "DELETE /qos-specs/{}",
    ),
    "POST /qos-specs",
    "PUT /qos-specs/{}",
    "PUT /qos-specs/{}/delete_keys",
    "DELETE /qos-specs/{}",
    "GET /qos-specs/{}/disassociate_all",
)
VOLUME_TYPE = _mirrored(
    "volume_type",
    "volume",
    (
        "GET /types",
        "GET /types/{}",
        "POST /types",
        "PUT /types/{}",
        "DELETE /types/{}",
        "POST /types/{}/extra_specs",
        "DELETE /types/{}/extra_specs/{}",
        "GET /types/{}/os-volume-type-access",
        "POST /types/{}/action addProjectAccess",
        "POST /types/{}/action removeProjectAccess",
        "GET /types/{}/encryption",
        "POST /types/{}/encryption",
        "PUT /types/{}/encryption/{}",
        "DELETE /types/{}/encryption/{}",
        # These change what a type is, though they are asked for by a GET.
        "GET /qos-specs/{}/associate",
        "GET /qos-specs/{}/disassociate",
    ),
    "POST /types",
    "PUT /types/{}",
    "DELETE /types/{}",
    "POST /types/{}/extra_specs",
    "PUT /types/{}/extra_specs/{}",
    "DELETE /types/{}/extra_specs/{}",
    "POST /types/{}/action",
    "POST /types/{}/encryption",
    "PUT /types/{}/encryption/{}",
    "DELETE /types/{}/encryption/{}",
    "GET /qos-specs/{}/associate",
    "GET /qos-specs/{}/disassociate",
    "GET /qos-specs/{}/disassociate_all",
)
GROUP_TYPE = _mirrored(
    "group_type",
    "volume",
    (
        "GET /group_types",
        "GET /group_types/{}",
        "POST /group_types",
        "PUT /group_types/{}",
        "DELETE /group_types/{}",
        "POST /group_types/{}/group_specs",
        "DELETE /group_types/{}/group_specs/{}",
    ),
    "POST /group_types",
    "PUT /group_types/{}",
    "DELETE /group_types/{}",
    "POST /group_types/{}/group_specs",
    "PUT /group_types/{}/group_specs/{}",
    "DELETE /group_types/{}/group_specs/{}",
)
DEFAULT_TYPE = _mirrored(
    "default_type",
    "volume",
    ("GET /default-types/{}", "PUT /default-types/{}", "DELETE /default-types/{}"),
    "PUT /default-types/{}",
    "DELETE /default-types/{}",
)
ADOPTION = Right(
    "adoption",
    "volume",
    (
        "GET /types",
        "GET /types/{}",
        "GET /types/{}/os-volume-type-access",
        "GET /types/{}/encryption",
        "GET /qos-specs",
        "GET /qos-specs/{}",
        "GET /group_types",
        "GET /group_types/{}",
    ),
    Proof.OPERATOR,
    "Cinder lets only a pod's administrators make types and QoS specs; they registered the pod, "
    "and what it has is one of all pods from then on.",
)
