# SPDX-License-Identifier: Apache-2.0
"""What python-openstackclient asks of a plugin."""

import argparse
from typing import Any

from osc_lib import utils

from tricircle import client

API_NAME = "multiregion"
API_VERSIONS = ("1",)
API_VERSION_OPTION = "os_multiregion_api_version"
DEFAULT_API_VERSION = "1"


def make_client(instance: Any) -> Any:
    """``app.client_manager.multiregion``."""
    connection = instance.sdk_connection
    client.extend(connection)
    return connection.tricircle


def build_option_parser(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument(
        "--os-multiregion-api-version",
        metavar="<multiregion-api-version>",
        default=utils.env("OS_MULTIREGION_API_VERSION"),
        help=f"Version of Tricircle's Admin API, default={DEFAULT_API_VERSION} "
        "(Env: OS_MULTIREGION_API_VERSION)",
    )
    return parser
