# SPDX-License-Identifier: Apache-2.0
"""The service user Tricircle acts as, toward Keystone, central Neutron and the pods."""

from keystoneauth1 import loading
from oslo_config import cfg

GROUP = cfg.OptGroup("tricircle_identity", title="Tricircle's service user")

OPTS = [
    cfg.StrOpt("region_name", default="RegionOne", help="The region users see."),
    cfg.StrOpt(
        "www_authenticate_uri",
        default="http://127.0.0.1:5000/v3",
        help="Keystone address told to clients that bring no valid token.",
    ),
    cfg.StrOpt(
        "interface",
        default="internal",
        choices=["public", "internal", "admin"],
        help="Catalogue interface used for every call of ours.",
    ),
    cfg.StrOpt(
        "member_role",
        default="member",
        help="Role the service user takes in a project for the moment in which a volume that was "
        "moved is handed over to it.",
    ),
    cfg.FloatOpt(
        "catalog_cache_seconds", default=300.0, min=1.0, help="Seconds the catalogue is believed."
    ),
]


def register_auth(conf: cfg.ConfigOpts) -> None:
    """Register keystoneauth's session and auth options (auth_url, username, ...) in our section."""
    loading.register_session_conf_options(conf, GROUP.name)
    loading.register_auth_conf_options(conf, GROUP.name)
