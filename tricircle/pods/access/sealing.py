# SPDX-License-Identifier: Apache-2.0
"""What the database keeps of pods' passwords is sealed with [federation] seal_keys."""

import json
from collections.abc import Mapping
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from tricircle.conf import CONF

Secrets = Mapping[str, Any]


class SealError(Exception):
    """There is no key, it is none, or none opens what is sealed; operators may read the text."""


def seal(secrets: Secrets) -> str:
    """A text that only whoever has the keys can read. Raises SealError."""
    return _keys().encrypt(json.dumps(dict(secrets)).encode()).decode()


def unseal(sealed: str | None) -> dict[str, Any]:
    """What was sealed. Raises SealError."""
    if sealed is None:
        return {}
    try:
        found: dict[str, Any] = json.loads(_keys().decrypt(sealed.encode()))
    except InvalidToken:
        raise SealError(
            "[federation] seal_keys has no key that opens what the database keeps"
        ) from None
    return found


def reseal(sealed: str) -> str:
    """The same, sealed with the first key. Raises SealError."""
    try:
        return _keys().rotate(sealed.encode()).decode()
    except InvalidToken:
        raise SealError(
            "[federation] seal_keys has no key that opens what the database keeps"
        ) from None


def new_key() -> str:
    """A key for [federation] seal_keys."""
    return Fernet.generate_key().decode()


def _keys() -> MultiFernet:
    if not CONF.federation.seal_keys:
        raise SealError(
            "[federation] seal_keys is not set: passwords of pods cannot be kept without a key "
            "(tricircle-manage access key prints one)"
        )
    try:
        return MultiFernet([Fernet(key) for key in CONF.federation.seal_keys])
    except ValueError:
        raise SealError(
            "[federation] seal_keys has what is no key: each is 32 bytes in URL-safe base64"
        ) from None
