# SPDX-License-Identifier: Apache-2.0
"""Whose certificates are believed, and which is shown to who asks for one."""

import ssl

from tricircle.conf import CONF


def trust() -> ssl.SSLContext:
    """How pods are spoken to by TLS, as Keystone is: a value for aiohttp's ``ssl``."""
    identity = CONF.tricircle_identity
    context = ssl.create_default_context(cafile=identity.cafile)
    if identity.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if identity.certfile:
        context.load_cert_chain(identity.certfile, identity.keyfile)
    return context
