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
    return lab.etc / lab.named("keystone") / "keystone.conf"


def configure(lab: Lab) -> None:
    keys = lab.var / lab.named("keystone")
    ini.write(
        _config(lab),
        {
            "DEFAULT": ini.common(),
            "database": ini.database(lab, lab.realm_database("keystone")),
            "oslo_policy": ini.policies(lab),
            "cache": _cache(lab),
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


def _cache(lab: Lab) -> dict[str, object]:
    if lab.realm:
        # Two Keystones must not share one: their keys are the same.
        return {"enabled": True, "backend": "oslo_cache.dict", "expiration_time": 60}
    servers = {"memcache_servers": lab.memcached}
    return {"enabled": True, "backend": "dogpile.cache.pymemcache", **servers}


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
    env = {"OS_KEYSTONE_CONFIG_DIR": str(_config(lab).parent)}
    return wsgi(lab.named("keystone"), "keystone.wsgi.api", lab.port("identity"), env)
