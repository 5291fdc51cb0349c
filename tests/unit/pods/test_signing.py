# SPDX-License-Identifier: Apache-2.0
"""What is signed for pods that believe a key of ours, and how keys are changed."""

from collections.abc import Iterator
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tricircle.conf import CONF
from tricircle.pods.access import mappings, signing

CLAIMS = {"sub": "a" * 32, "project": "b" * 32, "level": "member"}


def _written(path: Path, key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    encoding, private = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    path.write_bytes(key.private_bytes(encoding, private, serialization.NoEncryption()))
    return str(path)


@pytest.fixture(scope="module")
def keys() -> list[rsa.RSAPrivateKey]:
    return [rsa.generate_private_key(65537, 2048) for _ in range(2)]


@pytest.fixture
def paths(tmp_path: Path, keys: list[rsa.RSAPrivateKey]) -> Iterator[list[str]]:
    made = [_written(tmp_path / f"{number}.pem", key) for number, key in enumerate(keys)]
    CONF.set_override("signing_keys", made, group="federation")
    yield made
    CONF.clear_override("signing_keys", group="federation")


def _verified(token: str, audience: str = "Pod2") -> dict[str, str]:
    """By what is printed for the pods' operators."""
    known = {one["kid"]: jwt.PyJWK(one) for one in signing.public()["keys"]}
    key = known[jwt.get_unverified_header(token)["kid"]]
    told: dict[str, str] = jwt.decode(
        token, key, algorithms=["RS256"], audience=audience, issuer="urn:tricircle"
    )
    return told


def test_it_is_good_for_one_pod_and_a_minute(paths: list[str]) -> None:
    token = signing.sign("Pod2", CLAIMS)
    told = _verified(token)
    assert CLAIMS.items() <= told.items()
    assert int(told["exp"]) - int(told["iat"]) == 60
    with pytest.raises(jwt.InvalidAudienceError):
        _verified(token, "Pod3")


def test_keys_are_changed(paths: list[str]) -> None:
    """What the old one signed is believed while both are printed; the first signs."""
    before = signing.sign("Pod2", CLAIMS)
    CONF.set_override("signing_keys", paths[::-1], group="federation")
    after = signing.sign("Pod2", CLAIMS)
    first, second = (jwt.get_unverified_header(one)["kid"] for one in (before, after))
    assert first != second
    assert _verified(before)
    assert _verified(after)
    assert all("d" not in key for key in signing.public()["keys"])


def test_what_is_no_key(paths: list[str], tmp_path: Path) -> None:
    short = _written(tmp_path / "short.pem", rsa.generate_private_key(65537, 1024))
    curve = _written(tmp_path / "curve.pem", ec.generate_private_key(ec.SECP256R1()))
    for wrong in ([], [str(tmp_path / "none.pem")], [short], [curve], [str(tmp_path)]):
        CONF.set_override("signing_keys", wrong, group="federation")
        with pytest.raises(signing.SigningError, match="signing_keys"):
            signing.sign("Pod2", CLAIMS)


def test_no_mapping_gives_a_role_for_a_name() -> None:
    """Nor one that is more than is said; and a level leaves out those above it."""
    levels = ("member", "reader")
    for rules in (mappings.of_names(levels, "d", "MELLON_"), mappings.of_claims(levels, "d")):
        for rule, level in zip(rules, levels, strict=True):
            (local,) = rule["local"]
            assert local["projects"][0]["roles"] == [{"name": level}]
            chosen = [one for one in rule["remote"] if len(one) > 1]
            assert all("roles" in one["type"] or "LEVEL" in one["type"] for one in chosen)
            assert chosen[0]["any_one_of"] == [level]
        assert mappings.is_one_of({"schema_version": "2.0", "rules": rules}, [rules])
        assert not mappings.is_one_of({"schema_version": "3.0", "rules": rules}, [rules])
