# SPDX-License-Identifier: Apache-2.0
"""Whose certificates are believed."""

import ssl

from tricircle.conf import CONF


def trust() -> ssl.SSLContext | bool:
    """What pods' certificates are checked by, as Keystone's is: a value for aiohttp's ``ssl``."""
    identity = CONF.tricircle_identity
    if identity.insecure:
        return False
    return ssl.create_default_context(cafile=identity.cafile) if identity.cafile else True
