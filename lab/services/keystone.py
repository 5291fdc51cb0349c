# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import base64
import os
from pathlib import Path

from lab import ini, packages, process
from lab.process import Daemon
from lab.services import program, wsgi
from lab.settings import CURRENT, PASSWORD, REGION, Lab


def _config(lab: Lab) -> Path:
    return lab.etc / "keystone" / "keystone.conf"


def configure(lab: Lab) -> None:
    keys = lab.var / "keystone"
    ini.write(
        _config(lab),
        {
            "DEFAULT": ini.common(),
            "database": ini.database(lab, "keystone"),
            "oslo_policy": ini.policies(lab),
            "cache": {
                "enabled": True,
                "backend": "dogpile.cache.pymemcache",
                "memcache_servers": lab.memcached,
            },
            "fernet_tokens": {"key_repository": keys / "fernet"},
            "fernet_receipts": {"key_repository": keys / "fernet"},
            "credential": {"key_repository": keys / "credential"},
            # A proper hash takes a quarter of a second for each token.
            "identity": {"password_hash_rounds": 4},
            "token": {"provider": "fernet", "expiration": 86400},
        },
    )
    for name in ("fernet", "credential"):
        _make_keys(keys / name)


def _make_keys(folder: Path) -> None:
    """A repository of two Fernet keys, as `keystone-manage fernet_setup` makes it."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    for number in "01":
        if not (folder / number).exists():
            (folder / number).write_bytes(base64.urlsafe_b64encode(os.urandom(32)))


def _manage(lab: Lab, *arguments: object) -> None:
    process.run(
        [program(CURRENT, "keystone-manage"), "--config-file", _config(lab), *map(str, arguments)],
        env=process.environment(lab, packages.environment(CURRENT)),
    )


def migrate(lab: Lab) -> None:
    _manage(lab, "db_sync")


def bootstrap(lab: Lab) -> None:
    """The administrator and identity's own endpoint."""
    url = lab.identity_url
    urls = [f"--bootstrap-{kind}-url={url}" for kind in ("public", "internal", "admin")]
    _manage(
        lab,
        "bootstrap",
        *("--bootstrap-password", PASSWORD, "--bootstrap-region-id", REGION),
        *urls,
    )


def daemon(lab: Lab) -> Daemon:
    env = {"OS_KEYSTONE_CONFIG_DIR": str(lab.etc / "keystone")}
    return wsgi("keystone", "keystone.wsgi.api", lab.port("identity"), env)
