# SPDX-License-Identifier: Apache-2.0
"""Entry point for oslo-config-generator."""

from typing import Any

from keystoneauth1 import loading

from tricircle import conf


def list_opts() -> list[tuple[Any, list[Any]]]:
    """Every section with its options, as oslo-config-generator wants them."""
    sections = [(section.GROUP, list(section.OPTS)) for section in conf.SECTIONS]
    auth = [
        *loading.get_session_conf_options(),
        *loading.get_auth_common_conf_options(),
        *loading.get_auth_plugin_conf_options("password"),
    ]
    return [
        (group, opts + auth if group is conf.identity.GROUP else opts) for group, opts in sections
    ]
