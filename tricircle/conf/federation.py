# SPDX-License-Identifier: Apache-2.0
"""Pods whose Keystone is not ours: what is kept of the way into them."""

from oslo_config import cfg

GROUP = cfg.OptGroup("federation", title="Pods with a Keystone of their own")

OPTS = [
    cfg.ListOpt(
        "seal_keys",
        default=[],
        secret=True,
        help="Keys that seal what the database keeps of passwords and secrets of pods, the same "
        "for every gateway, central Neutron and xjob: 32 random bytes each, in URL-safe base64 "
        "(`tricircle-manage access key` prints one). The first seals, any opens. To change it add "
        "a new one; when all processes know it put it first and run `tricircle-manage access "
        "reseal`; then take the old one away. Needed once a pod has a Keystone of its own.",
    ),
    cfg.ListOpt(
        "signing_keys",
        default=[],
        help="Files with RSA private keys (PEM, 2048 bits or more, `openssl genrsa`) that sign who "
        "somebody is, for pods entered as `jwt`; the same for every gateway, central Neutron and "
        "xjob. The first signs; `tricircle-manage access jwks` prints the public halves of all, "
        "which the pods' web servers must have. To change it add a new one at the end and give the "
        "pods what is printed then; put it first; take the old one away. Whoever has such a key "
        "can be anybody in those pods.",
    ),
    cfg.StrOpt(
        "issuer",
        default="urn:tricircle",
        help="Who signs: the `iss` of what is signed, which such a pod's Keystone must have as the "
        "remote id of the identity provider.",
    ),
    cfg.IntOpt(
        "token_seconds",
        default=900,
        min=1,
        help="Seconds for which a token of a pod is used at the most. Whether the caller may still "
        "do anything is asked of our own Keystone at each request all the same.",
    ),
    cfg.IntOpt(
        "most_tokens", default=10_000, min=1, help="Tokens of pods that a process keeps in memory."
    ),
    cfg.IntOpt(
        "exchanges_per_pod",
        default=8,
        min=1,
        help="Tokens that a process asks of one pod's Keystone at the same time.",
    ),
    cfg.FloatOpt(
        "refused_seconds",
        default=10.0,
        min=0.0,
        help="Seconds for which it is believed that a pod's Keystone refuses somebody.",
    ),
    cfg.FloatOpt(
        "keystone_deadline",
        default=10.0,
        min=0.1,
        help="Seconds that one answer of a pod's Keystone may take.",
    ),
]
