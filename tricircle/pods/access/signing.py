# SPDX-License-Identifier: Apache-2.0
"""The keys with which Tricircle signs who somebody is: [federation] signing_keys."""

import base64
import hashlib
import json
import os
import time
import uuid
from pathlib import Path
from typing import Any, NamedTuple

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from jwt.algorithms import RSAAlgorithm

from tricircle.conf import CONF

ALGORITHM = "RS256"
#: Seconds for which what is signed is good.
GOOD_FOR = 60
_SHORTEST_KEY = 2048


class SigningError(Exception):
    """There is no key, or it is none; operators may read the text."""


class Key(NamedTuple):
    """``kid`` is its name for those who know its public half."""

    kid: str
    private: RSAPrivateKey


# {path of a file: (when it was changed, its key)}
_read: dict[str, tuple[float, Key]] = {}


def sign(audience: str, claims: dict[str, str]) -> str:
    """A token of what is claimed, good for one pod and for a minute. Raises SigningError."""
    key, now = _key(_paths()[0]), int(time.time())
    whole = {
        "iss": CONF.federation.issuer,
        "aud": audience,
        "iat": now,
        "nbf": now,
        "exp": now + GOOD_FOR,
        "jti": uuid.uuid4().hex,
        **claims,
    }
    return jwt.encode(whole, key.private, algorithm=ALGORITHM, headers={"kid": key.kid})


def public() -> dict[str, Any]:
    """The public halves of all keys, as a JSON Web Key Set. Raises SigningError."""
    return {"keys": [_public(_key(path)) for path in _paths()]}


def _public(key: Key) -> dict[str, Any]:
    made = RSAAlgorithm.to_jwk(key.private.public_key(), as_dict=True)
    return {"kty": made["kty"], "n": made["n"], "e": made["e"], "kid": key.kid, "use": "sig",
            "alg": ALGORITHM}  # fmt: skip


def _paths() -> list[str]:
    if not CONF.federation.signing_keys:
        raise SigningError(
            "[federation] signing_keys is not set: openssl genrsa -out FILE 2048 makes a key"
        )
    return list(CONF.federation.signing_keys)


def _key(path: str) -> Key:
    """The key in a file, read anew when that was changed. Raises SigningError."""
    try:
        changed = os.stat(path).st_mtime
        if path not in _read or _read[path][0] != changed:
            _read[path] = changed, loaded(Path(path).read_bytes())
    except OSError as error:
        raise SigningError(f"[federation] signing_keys: {path}: {error.strerror}") from None
    except (ValueError, TypeError):
        text = f"is no RSA private key of {_SHORTEST_KEY} bits or more, in PEM, without a password"
        raise SigningError(f"[federation] signing_keys: {path} {text}") from None
    return _read[path][1]


def loaded(pem: bytes) -> Key:
    """The key that a file holds. Raises ValueError, TypeError for what is none."""
    private = serialization.load_pem_private_key(pem, None)
    if not isinstance(private, RSAPrivateKey) or private.key_size < _SHORTEST_KEY:
        raise ValueError
    made = RSAAlgorithm.to_jwk(private.public_key(), as_dict=True)
    # The thumbprint of RFC 7638: it follows from the key, so nobody has to choose one.
    told = json.dumps({"e": made["e"], "kty": made["kty"], "n": made["n"]}, separators=(",", ":"))
    thumbprint = hashlib.sha256(told.encode()).digest()
    return Key(base64.urlsafe_b64encode(thumbprint).rstrip(b"=").decode(), private)
